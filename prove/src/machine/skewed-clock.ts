// node --import .../skewed-clock.js …
//
// SKEW_MS=300000   this process believes it is so many milliseconds later than it is; earlier, when below 0

const skew = Number(process.env['SKEW_MS'] ?? 0);
const RightDate = Date;
const now = (): number => performance.timeOrigin + performance.now() + skew;

globalThis.Date = new Proxy(RightDate, {
  construct: (_, given, made) => Reflect.construct(RightDate, given.length > 0 ? given : [now()], made) as Date,
  apply: () => new RightDate(now()).toString(),
  get: (_, name, asked) =>
    name === 'now' ? () => Math.floor(now()) : (Reflect.get(RightDate, name, asked) as unknown),
});
