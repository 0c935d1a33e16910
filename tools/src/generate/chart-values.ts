import { isMap, isScalar, parseDocument, type Pair, stringify, type YAMLMap } from 'yaml';

interface Row {
  path: string;
  value: string;
  meaning: string;
}

/** The values of the Helm chart as a table, with the comments above them. */
export function valuesTable(values: string): string {
  const document = parseDocument(values);
  if (!isMap(document.contents)) throw new Error('k8s/values.yaml holds no map of values');
  const rows = rowsOf(document.contents, '', document.commentBefore ?? undefined);
  return `| value | default | what it is |
|---|---|---|
${rows.map(({ path, value, meaning }) => `| \`${path}\` | ${value && `\`${value}\``} | ${meaning} |`).join('\n')}
`;
}

/** One row for each value, and one for a group that says something of itself. */
function rowsOf(map: YAMLMap, prefix: string, first: string | undefined): Row[] {
  return map.items.flatMap((pair, index) => {
    const path = `${prefix}${String(isScalar(pair.key) ? pair.key.value : pair.key)}`;
    const meaning = textOf((isScalar(pair.key) ? pair.key.commentBefore : undefined) ?? (index === 0 ? first : ''));
    const group = isMap(pair.value) && !pair.value.flow && pair.value.items.length > 0;
    if (!group) return [{ path, value: valueOf(pair), meaning }];
    const within = pair.value as YAMLMap;
    const rows = rowsOf(within, `${path}.`, within.commentBefore ?? undefined);
    return meaning ? [{ path, value: '', meaning }, ...rows] : rows;
  });
}

const textOf = (comment: string | null | undefined): string =>
  (comment ?? '')
    .split('\n')
    .map((line) => line.trim())
    // Marks of what is generated say nothing to a reader of values.
    .filter((line) => !/^\/?generated: /.test(line))
    .join(' ')
    .trim()
    .replaceAll('|', '\\|');

/** A default as one would write it on one line. */
function valueOf({ value }: Pair): string {
  const plain = (value as { toJSON?(): unknown } | null)?.toJSON?.() ?? null;
  if (plain === '') return "''";
  return stringify(plain, { collectionStyle: 'flow', lineWidth: 0, flowCollectionPadding: true })
    .trim()
    .replaceAll(/\s*\n\s*/g, ' ');
}
