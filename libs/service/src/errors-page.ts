import { PROBLEMS } from './problems.js';

/** The error catalogue of this process as a page with one anchor for each problem. */
export function errorsPage(): string {
  const rows = Object.entries(PROBLEMS)
    .toSorted(([one], [other]) => one.localeCompare(other))
    .map(
      ([slug, { status, title }]) =>
        `<tr id="${slug}"><td><code>${slug}</code></td><td>${status}</td><td>${title}</td></tr>`,
    );
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Errors</title>',
    '<style>body{font:16px system-ui;margin:3rem}td{padding:.3rem 1rem .3rem 0}tr:target{background:#fe9}</style></head>',
    `<body><h1>Errors</h1><table>${rows.join('')}</table></body></html>`,
  ].join('');
}
