// Where is the Docker engine, and does it answer? Prints one line: default|named  ok|denied|refused|absent|remote  endpoint.
// The order is the program's own: DOCKER_HOST, the chosen Docker context, then the usual sockets.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import http from 'node:http';
import { homedir } from 'node:os';
import { join } from 'node:path';

const DEADLINE_MS = 3000;

function contextEndpoint() {
  const folder = process.env.DOCKER_CONFIG ?? join(homedir(), '.docker');
  const name = process.env.DOCKER_CONTEXT ?? read(join(folder, 'config.json'))?.currentContext;
  if (!name || name === 'default') return undefined;
  const digest = createHash('sha256').update(name).digest('hex');
  return read(join(folder, 'contexts', 'meta', digest, 'meta.json'))?.Endpoints?.docker?.Host ?? `context:${name}`;
}

function read(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

function usualSockets() {
  const runtime = process.env.XDG_RUNTIME_DIR;
  return [
    '/var/run/docker.sock',
    runtime && join(runtime, 'docker.sock'),
    join(homedir(), '.docker/desktop/docker.sock'),
    join(homedir(), '.docker/run/docker.sock'),
    join(homedir(), '.colima/default/docker.sock'),
    join(homedir(), '.orbstack/run/docker.sock'),
    runtime && join(runtime, 'podman/podman.sock'),
    '/run/podman/podman.sock',
  ].filter(Boolean);
}

/** Options for an HTTP request to the endpoint, or undefined where only other means (ssh, TLS) lead to it. */
export function connection(endpoint) {
  if (endpoint.startsWith('unix://')) return { socketPath: endpoint.slice('unix://'.length) };
  const tcp = /^(?:tcp|http):\/\/\[?([^\]/]+?)\]?(?::(\d+))?\/?$/.exec(endpoint);
  if (tcp && !process.env.DOCKER_TLS_VERIFY) return { host: tcp[1], port: Number(tcp[2] ?? 2375) };
  return undefined;
}

function ping(endpoint) {
  const where = connection(endpoint);
  if (!where) return Promise.resolve('remote');
  if (where.socketPath && !existsSync(where.socketPath)) return Promise.resolve('absent');
  return new Promise((resolve) => {
    const request = http.get({ ...where, path: '/_ping', timeout: DEADLINE_MS }, (response) => {
      response.resume();
      resolve(response.statusCode === 200 ? 'ok' : 'refused');
    });
    request.on('timeout', () => request.destroy());
    request.on('error', (error) => resolve(error.code === 'EACCES' || error.code === 'EPERM' ? 'denied' : 'refused'));
  });
}

/** The first endpoint that answers; else the one whose silence says most. */
export async function reach() {
  const named = process.env.DOCKER_HOST || contextEndpoint();
  if (named) return { host: 'named', answer: await ping(named), endpoint: named };
  let best = { host: 'default', answer: 'absent', endpoint: 'unix:///var/run/docker.sock' };
  const weight = { absent: 0, refused: 1, denied: 2, ok: 3 };
  for (const path of usualSockets()) {
    const endpoint = `unix://${path}`;
    const answer = await ping(endpoint);
    if (weight[answer] > weight[best.answer]) best = { host: 'default', answer, endpoint };
    if (answer === 'ok') break;
  }
  return best;
}

if (realpathSync(process.argv[1]) === import.meta.filename) {
  const { host, answer, endpoint } = await reach();
  console.log(`${host} ${answer} ${endpoint}`);
}
