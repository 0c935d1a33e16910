/** One bar: a median, and where it lies with 95 % confidence. */
export interface Bar {
  label: string;
  median: number;
  interval?: readonly [number, number];
  /** Whether it is the product's own. */
  ours: boolean;
}

/** Bars that share a scale. */
export interface Panel {
  title: string;
  groups: readonly { label: string; bars: readonly Bar[] }[];
}

const WIDTH = 860;
const LEFT = 300;
const RIGHT = 110;
const BAR = 20;
const GAP = 6;
const HEADING = 34;

// Readable on white and on black: the page decides which it is.
const TEXT = '#7d8590';
const OURS = '#2f81f7';
const OTHERS = '#8b949e';
const WHISKER = '#d29922';

/** Horizontal bars as an SVG, each with its figure and a whisker for its confidence. */
export function barPlot(panels: readonly Panel[], footnote: string): string {
  let y = 10;
  const parts = panels.flatMap((panel) => {
    const drawn = draw(panel, y);
    y = drawn.bottom + GAP * 3;
    return drawn.parts;
  });
  y += HEADING / 2;
  parts.push(text(10, y, footnote, { size: 11 }));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 14}" width="${WIDTH}" font-family="system-ui, sans-serif">
${parts.join('\n')}
</svg>
`;
}

function draw({ title, groups }: Panel, top: number): { parts: string[]; bottom: number } {
  const highest = Math.max(
    ...groups.flatMap(({ bars }) => bars.map(({ median, interval }) => interval?.[1] ?? median)),
  );
  const x = (value: number): number => LEFT + (value / highest) * (WIDTH - LEFT - RIGHT);
  const parts: string[] = [];
  let y = top + HEADING / 2;
  parts.push(text(10, y, title, { size: 15, weight: 600 }));
  y += GAP * 2;
  for (const { label, bars } of groups) {
    parts.push(text(10, y + BAR - GAP, label, { size: 12 }));
    for (const { label: name, median, interval = [median, median], ours } of bars) {
      const [from, to] = interval;
      const middle = y + BAR / 2;
      parts.push(
        text(LEFT - 10, y + BAR - GAP, name, { size: 12, anchor: 'end' }),
        `<rect x="${LEFT}" y="${y}" width="${fixed(x(median) - LEFT)}" height="${BAR}" rx="2" fill="${ours ? OURS : OTHERS}"/>`,
        `<path d="M${fixed(x(from))} ${middle}H${fixed(x(to))}M${fixed(x(from))} ${middle - 4}v8M${fixed(x(to))} ${middle - 4}v8" stroke="${WHISKER}" stroke-width="1.5"/>`,
        text(x(Math.max(median, to)) + 8, y + BAR - GAP, figure(median), { size: 12 }),
      );
      y += BAR + GAP;
    }
    y += GAP;
  }
  return { parts, bottom: y };
}

function text(
  x: number,
  y: number,
  content: string,
  { size, weight = 400, anchor = 'start' }: { size: number; weight?: number; anchor?: 'start' | 'end' },
): string {
  const safe = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${fixed(x)}" y="${fixed(y)}" font-size="${size}" font-weight="${weight}" text-anchor="${anchor}" fill="${TEXT}">${safe}</text>`;
}

const fixed = (value: number): string => value.toFixed(1);
const figure = (value: number): string => (value < 100 ? value.toFixed(1) : Math.round(value).toLocaleString('en'));
