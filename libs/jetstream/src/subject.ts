/** NATS subject matching: `*` stands for one token, `>` for one or more trailing ones. */
export function subjectMatches(pattern: string, subject: string): boolean {
  const wanted = pattern.split('.');
  const tokens = subject.split('.');
  for (const [index, token] of wanted.entries()) {
    if (token === '>') return tokens.length > index;
    if (index >= tokens.length || (token !== '*' && token !== tokens[index])) return false;
  }
  return wanted.length === tokens.length;
}

export function lastToken(subject: string): string {
  return subject.slice(subject.lastIndexOf('.') + 1);
}

/** `payment` and `orders.created.*` make `payment_orders-created`. */
export function defaultDurable(service: string, subject: string): string {
  const stem = subject.replace(/\.[*>]$/, '');
  if (/[*>]/.test(stem)) {
    throw new Error(
      `No durable can be named after subject '${subject}': it has a wildcard in the middle. Name one in the handler's decorator.`,
    );
  }
  return `${service}_${stem.replaceAll('.', '-')}`;
}
