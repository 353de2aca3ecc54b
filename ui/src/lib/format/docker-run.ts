/**
 * The command line that makes a container like one that was inspected. It is read leniently: engines differ in what
 * they tell, and what is not told is not written.
 */

const at = (of: unknown, ...path: readonly string[]): unknown =>
  path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null ? (inner as Record<string, unknown>)[key] : undefined,
    of,
  );

const text = (of: unknown): string => (typeof of === 'string' ? of : '');
const number = (of: unknown): number => (typeof of === 'number' ? of : 0);
const list = (of: unknown): readonly unknown[] => (Array.isArray(of) ? of : []);
const pairs = (of: unknown): readonly (readonly [string, unknown])[] =>
  typeof of === 'object' && of !== null ? Object.entries(of) : [];

/** What stands for a value that is not to be shown. */
export const HIDDEN = '…';

/** With `values`, the environment is written out; without them each variable is named and its value left out. */
export function dockerRun(inspect: unknown, values: boolean): string {
  const image = text(at(inspect, 'Config', 'Image'));
  const parts = [
    'docker run -d',
    ...name(inspect),
    ...policy(inspect),
    ...network(inspect),
    ...ports(inspect),
    ...mounts(inspect),
    ...environment(inspect, values),
    ...limits(inspect),
    ...user(inspect),
    [image, ...command(inspect)].map(quoted).join(' '),
  ];
  return parts.join(' \\\n  ');
}

const flag = (name: string, value: string): string[] => (value === '' ? [] : [`${name} ${quoted(value)}`]);

const name = (of: unknown) => flag('--name', text(at(of, 'Name')).replace(/^\//, ''));

function policy(of: unknown): string[] {
  if (at(of, 'HostConfig', 'AutoRemove') === true) return ['--rm'];
  const said = text(at(of, 'HostConfig', 'RestartPolicy', 'Name'));
  const most = number(at(of, 'HostConfig', 'RestartPolicy', 'MaximumRetryCount'));
  if (said === '' || said === 'no') return [];
  return [`--restart ${said === 'on-failure' && most > 0 ? `${said}:${most}` : said}`];
}

/** The first one is chosen at the start; a container joins the others afterwards. */
function network(of: unknown): string[] {
  const mode = text(at(of, 'HostConfig', 'NetworkMode'));
  return ['', 'default', 'bridge', 'podman'].includes(mode) ? [] : flag('--network', mode);
}

function ports(of: unknown): string[] {
  return pairs(at(of, 'HostConfig', 'PortBindings')).flatMap(([inside, bindings]) =>
    list(bindings).map((binding) => {
      const ip = text(at(binding, 'HostIp'));
      const host = text(at(binding, 'HostPort'));
      const address = ip === '' ? '' : `${ip.includes(':') ? `[${ip}]` : ip}:`;
      const outside = address === '' && host === '' ? '' : `${address}${host}:`;
      return `-p ${quoted(`${outside}${inside.replace(/\/tcp$/, '')}`)}`;
    }),
  );
}

function mounts(of: unknown): string[] {
  return list(at(of, 'Mounts')).flatMap((mount) => {
    const from = text(at(mount, 'Type')) === 'volume' ? text(at(mount, 'Name')) : text(at(mount, 'Source'));
    const to = text(at(mount, 'Destination'));
    if (text(at(mount, 'Type')) === 'tmpfs') return flag('--tmpfs', to);
    return flag('-v', `${from}:${to}${at(mount, 'RW') === false ? ':ro' : ''}`);
  });
}

function environment(of: unknown, values: boolean): string[] {
  return list(at(of, 'Config', 'Env')).map((line) => {
    const [key = '', ...rest] = text(line).split('=');
    return `-e ${quoted(`${key}=${values ? rest.join('=') : HIDDEN}`)}`;
  });
}

function limits(of: unknown): string[] {
  const bytes = number(at(of, 'HostConfig', 'Memory'));
  const cpus = number(at(of, 'HostConfig', 'NanoCpus')) / 1e9;
  return [...(bytes > 0 ? [`--memory ${bytes}`] : []), ...(cpus > 0 ? [`--cpus ${cpus}`] : [])];
}

function user(of: unknown): string[] {
  return [
    ...flag('--user', text(at(of, 'Config', 'User'))),
    ...flag('--workdir', text(at(of, 'Config', 'WorkingDir'))),
    ...(at(of, 'HostConfig', 'Privileged') === true ? ['--privileged'] : []),
    ...list(at(of, 'HostConfig', 'CapAdd')).flatMap((capability) => flag('--cap-add', text(capability))),
    ...flag('--entrypoint', text(list(at(of, 'Config', 'Entrypoint'))[0])),
  ];
}

/** What follows the image: the rest of an entrypoint, then the command. */
function command(of: unknown): string[] {
  const rest = list(at(of, 'Config', 'Entrypoint')).slice(1);
  return [...rest, ...list(at(of, 'Config', 'Cmd'))].map(text);
}

/** Fit for a shell: what it could take for anything but itself stands between quotes. */
function quoted(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
