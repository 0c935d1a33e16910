/** Every event a server sends until it ends the stream. */
export async function readEvents(url: string): Promise<{ id: string; data: unknown }[]> {
  const response = await fetch(url, { signal: AbortSignal.timeout(40_000) });
  if (response.status !== 200) throw new Error(`${url} was answered ${response.status}`);
  const text = await response.text();
  return text
    .split('\n\n')
    .map((block) => Object.fromEntries(block.split('\n').map((line) => splitOnce(line))))
    .filter((event): event is { id: string; data: string } => event['data'] !== undefined)
    .map(({ id, data }) => ({ id, data: JSON.parse(data) as unknown }));
}

function splitOnce(line: string): [string, string] {
  const at = line.indexOf(':');
  return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1).trim()];
}
