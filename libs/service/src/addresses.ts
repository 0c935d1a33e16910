import { serversIn } from '@pavane/jetstream/access';
import { Transform } from 'class-transformer';
import { ValidateBy } from 'class-validator';
import { all, Variable, type VariableOptions } from './config-variables.js';

export interface AddressOptions extends VariableOptions {
  /** What it is the address of, for the error: `the URL of a PostgreSQL database`. */
  what: string;
  /** Schemes that are understood, such as `https`. */
  schemes: readonly string[];
  /** Whether user and password in it are used. Default false, and then they are refused. */
  credentials?: boolean;
  /** What to do instead of putting credentials into it, for the error. */
  instead?: string;
  /** What may follow the host. Default nothing. */
  path?: 'any' | 'name';
  /** Parameters behind `?` that are honoured. Default none; any other is refused, since it would be ignored. */
  parameters?: readonly string[];
}

/** The URL of one server. What would not be honoured is refused; spaces around it are dropped. */
export function Address(options: AddressOptions): PropertyDecorator {
  return addressOf(options, (text) => problemOf(text, options));
}

/** One URL or several, separated by commas, of servers that stand for each other. All have the same scheme. */
export function Addresses(options: AddressOptions): PropertyDecorator {
  return addressOf(options, (text) => {
    const { servers: urls } = serversIn(text);
    const schemes = new Set(urls.map((url) => schemeOf(url)));
    if (urls.length === 0) return 'it names no server';
    return urls.map((url) => problemOf(url, options)).find(Boolean) ?? (schemes.size > 1 ? MIXED : undefined);
  });
}

const MIXED = 'all of them need the same scheme, since a client either uses TLS or does not';
const NOT_ENCODED =
  'percent-encode what is not a letter or digit in its user and password (/ is %2F, @ is %40, # is %23)';
/** How URLs of databases on a socket are often written; as URLs they lack a host. */
const HOSTLESS = /^([a-z]+:\/\/[^/?#@]*@)(\/)/i;

const schemeOf = (text: string) => /^\s*([a-z][a-z\d+.-]*):/i.exec(text)?.[1]?.toLowerCase();

function addressOf(options: AddressOptions, problem: (text: string) => string | undefined): PropertyDecorator {
  return all(
    Variable(options),
    Transform(({ value }) => (typeof value === 'string' ? value.trim() : (value as unknown))),
    ValidateBy({
      name: 'address',
      validator: {
        validate: (text: unknown) => typeof text === 'string' && problem(text) === undefined,
        defaultMessage: (about) => {
          const reason = typeof about?.value === 'string' ? problem(about.value) : undefined;
          return reason ? `${options.what}; ${reason}` : options.what;
        },
      },
    }),
  );
}

/** What is wrong with an address, in words that repeat nothing of it but the names of parameters. */
function problemOf(text: string, options: AddressOptions): string | undefined {
  const { schemes, credentials = false, instead, path, parameters = [] } = options;
  const written = `it begins with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`;
  if (!schemes.includes(schemeOf(text) ?? '') || !/^[^:]+:\/\//.test(text)) return written;
  const url = URL.parse(text) ?? (parameters.includes('host') ? URL.parse(text.replace(HOSTLESS, '$1socket$2')) : null);
  if (!url || /\s/.test(text)) return `it is not a URL; check its host and port, and ${NOT_ENCODED}`;
  // Behind the host an @ is most likely the one that ends a password.
  if (/@/.test(url.pathname + url.search + url.hash)) return NOT_ENCODED;
  if (url.hash) return 'nothing of it may follow a #';
  if (url.hostname === '' && !url.searchParams.has('host')) return 'it names no host';
  if (url.hostname.includes(','))
    return 'it names several hosts; name one, such as that of a proxy which knows the others';
  if (!credentials && (url.username || url.password))
    return `user and password in it would not be used${instead ? `; ${instead}` : ''}`;
  const name = url.pathname.slice(1);
  if (path === 'name' ? !/^[^/]+$/.test(name) : path === undefined && name !== '')
    return path === 'name' ? 'it ends with one name behind the host' : 'nothing follows the host';
  const ignored = [...url.searchParams.keys()].filter((parameter) => !parameters.includes(parameter));
  return ignored.length > 0 ? `parameters that would be ignored: ${ignored.join(', ')}` : undefined;
}
