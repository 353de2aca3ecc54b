// Makes, or removes, the demo's containers and images over the engine's own API: it needs no docker command and no
// registry. Usage: node demo.mjs make|clean ENDPOINT
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { connection } from './engine-reach.mjs';

const LABEL = 'dev.tinyforge.demo';
// Another one than the containers': whatever somebody runs from an image inherits the image's labels.
const IMAGE_LABEL = 'dev.tinyforge.demo-image';
const PREFIX = 'tfdemo-';
const BUSYBOX = '/bin/busybox';

// Process 1 ignores signals it has no handler for: without the trap each stop would take ten seconds.
const STOPPABLE = 'trap "exit 0" TERM INT\n';
const SERVE = 'httpd -f -p 8080 -h /www &\nwait\n';

/** What each image's process 1 does. */
const IMAGES = {
  'web:v1': { page: 'Tinyforge demo, version 1\n', script: STOPPABLE + SERVE },
  'web:v2': { page: 'Tinyforge demo, version 2\n', script: STOPPABLE + SERVE },
  'slow:v1': { page: 'Slow, but here\n', script: `${STOPPABLE}sleep 45 &\nwait\n${SERVE}` },
  'flaky:v1': {
    page: 'Fine for a while\n',
    script: `${STOPPABLE}httpd -f -p 8080 -h /www & server=$!\nsleep 20 &\nwait $!\nkill $server\nsleep 1000000 &\nwait $!\n`,
  },
  'job:v1': { page: '', script: 'echo "the work is done"\nexit ${EXIT_CODE:-0}\n' },
  'hungry:v1': { page: '', script: 'tail /dev/zero\n' },
};

const seconds = (s) => s * 1_000_000_000;
const probe = { Test: ['CMD-SHELL', 'wget -q -O /dev/null http://127.0.0.1:8080/'], Interval: seconds(2), Timeout: seconds(2), Retries: 2 };
const served = { ExposedPorts: { '8080/tcp': {} }, Healthcheck: probe };
const loopback = { PortBindings: { '8080/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] } };

/** One container for every state that can be had and kept. `then` is what happens after its start. */
const CONTAINERS = [
  { name: 'shop-v1', image: 'web:v1', shows: 'running, healthy', config: served, host: loopback },
  { name: 'shop-v2', image: 'web:v2', shows: 'running, healthy', config: served, host: loopback },
  { name: 'plain', image: 'web:v1', shows: 'running, no health check', config: { ExposedPorts: served.ExposedPorts }, host: loopback },
  { name: 'slow', image: 'slow:v1', shows: 'starting for 45 s, then healthy', config: { ...served, Healthcheck: { ...probe, StartPeriod: seconds(60) } }, host: loopback },
  { name: 'flaky', image: 'flaky:v1', shows: 'healthy for 20 s, then unhealthy', config: served, host: loopback },
  { name: 'paused', image: 'web:v1', shows: 'paused', then: ['pause'] },
  { name: 'crash-loop', image: 'job:v1', shows: 'restarting', config: { Env: ['EXIT_CODE=1'] }, host: { RestartPolicy: { Name: 'always' } } },
  { name: 'done', image: 'job:v1', shows: 'stopped, exit code 0' },
  { name: 'crashed', image: 'job:v1', shows: 'stopped, exit code 3', config: { Env: ['EXIT_CODE=3'] } },
  { name: 'out-of-memory', image: 'hungry:v1', shows: 'stopped, out of memory', host: { Memory: 16 * 1024 * 1024, MemorySwap: 16 * 1024 * 1024 } },
  { name: 'killed', image: 'web:v1', shows: 'stopped by a signal', then: ['kill'] },
  { name: 'stopped', image: 'web:v2', shows: 'stopped on request', then: ['stop'] },
  { name: 'never-started', image: 'web:v2', shows: 'created', start: false },
];

const where = connection(process.argv[3] ?? '');

function call(method, path, { json, body, allow = [] } = {}) {
  const payload = json === undefined ? body : Buffer.from(JSON.stringify(json));
  const headers = { 'content-type': json === undefined ? 'application/x-tar' : 'application/json', 'content-length': payload?.length ?? 0 };
  return new Promise((resolve, reject) => {
    const request = http.request({ ...where, method, path, headers, timeout: 60_000 }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(parts).toString();
        if (response.statusCode >= 400 && !allow.includes(response.statusCode)) {
          reject(new Error(`${method} ${path.split('?')[0]}: the engine answered ${response.statusCode}: ${text.trim()}`));
        } else {
          resolve({ status: response.statusCode, text });
        }
      });
    });
    request.on('timeout', () => request.destroy(new Error(`${method} ${path}: no answer within 60 s`)));
    request.on('error', reject);
    request.end(payload);
  });
}

/** One entry of a tar archive: a header block, the data, zeros up to the next block. */
function tarEntry(name, type, mode, data = Buffer.alloc(0), link = '') {
  const header = Buffer.alloc(512);
  const octal = (value, at, width) => header.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at, 'ascii');
  header.write(name, 0, 'ascii');
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(data.length, 124, 12);
  octal(0, 136, 12);
  header.write('        ', 148, 'ascii');
  header.write(type, 156, 'ascii');
  header.write(link, 157, 'ascii');
  header.write('ustar\u000000', 257, 'ascii');
  octal(header.reduce((sum, byte) => sum + byte, 0), 148, 7);
  return Buffer.concat([header, data, Buffer.alloc((512 - (data.length % 512)) % 512)]);
}

function rootFilesystem({ page, script }) {
  const folder = (name) => tarEntry(name, '5', 0o755);
  const applets = ['sh', 'httpd', 'sleep', 'wget', 'echo', 'tail', 'kill'];
  return Buffer.concat([
    folder('bin/'),
    folder('www/'),
    tarEntry('bin/busybox', '0', 0o755, readFileSync(BUSYBOX)),
    ...applets.map((applet) => tarEntry(`bin/${applet}`, '2', 0o777, undefined, 'busybox')),
    tarEntry('www/index.html', '0', 0o644, Buffer.from(page)),
    tarEntry('run', '0', 0o755, Buffer.from(`#!/bin/sh\n${script}`)),
    Buffer.alloc(1024),
  ]);
}

/** Makes an image unless the very same one is there. */
async function makeImage(tag, recipe) {
  const [repository, version] = `${PREFIX}${tag}`.split(':');
  const files = rootFilesystem(recipe);
  const digest = createHash('sha256').update(files).digest('hex');
  const known = await call('GET', `/images/${repository}:${version}/json`, { allow: [404] });
  if (known.status === 200 && JSON.parse(known.text).Config?.Labels?.[IMAGE_LABEL] === digest) return;
  const query = new URLSearchParams({ fromSrc: '-', repo: repository, tag: version, message: 'made by make demo' });
  query.append('changes', 'CMD ["/run"]');
  query.append('changes', 'ENV PATH=/bin');
  query.append('changes', `LABEL ${IMAGE_LABEL}=${digest}`);
  const { text } = await call('POST', `/images/create?${query}`, { body: files });
  // An error of the engine may hide inside a stream that began well.
  const failure = text.split('\n').find((line) => line.includes('"error"'));
  if (failure) throw new Error(`the image ${repository}:${version} could not be made: ${failure}`);
}

async function makeContainer({ name, image, config = {}, host = {}, start = true, then = [] }) {
  const full = `${PREFIX}${name}`;
  await removeOurs(full);
  const { text } = await call('POST', `/containers/create?name=${full}`, {
    json: { Image: `${PREFIX}${image}`, Labels: { [LABEL]: 'true' }, ...config, HostConfig: host },
  });
  const { Id } = JSON.parse(text);
  if (start) await call('POST', `/containers/${Id}/start`);
  for (const act of then) await call('POST', `/containers/${Id}/${act}`);
}

/** Ours is what carries both the name and the label. A container of that name without it is somebody else's. */
async function removeOurs(full) {
  const { status, text } = await call('GET', `/containers/${full}/json`, { allow: [404] });
  if (status === 404) return;
  const { Id, Config } = JSON.parse(text);
  if (Config.Labels?.[LABEL] !== 'true') throw new Error(`a container ${full} exists that make demo did not make: it is left alone. Rename it, then try again.`);
  await call('DELETE', `/containers/${Id}?force=true&v=true`, { allow: [404] });
}

const labelled = (label) => `filters=${encodeURIComponent(JSON.stringify({ label: [label] }))}`;

async function make() {
  for (const [tag, recipe] of Object.entries(IMAGES)) await makeImage(tag, recipe);
  for (const container of CONTAINERS) {
    await makeContainer(container);
    console.error(`    ${(PREFIX + container.name).padEnd(30)} ${container.shows}`);
  }
}

async function clean() {
  const containers = JSON.parse((await call('GET', `/containers/json?all=true&${labelled(`${LABEL}=true`)}`)).text);
  const ours = containers.filter(({ Names }) => Names.some((name) => name.startsWith(`/${PREFIX}`)));
  for (const { Id } of ours) await call('DELETE', `/containers/${Id}?force=true&v=true`, { allow: [404] });
  console.error(`==> Removed ${ours.length} containers of the demo.`);

  // An image that was made anew has lost its tag. Podman puts localhost/ before a name without a registry.
  const images = JSON.parse((await call('GET', `/images/json?${labelled(IMAGE_LABEL)}`)).text);
  const isOurs = (tag) => tag.replace(/^localhost\//, '').startsWith(PREFIX);
  let removed = 0;
  for (const { Id, RepoTags } of images) {
    const tags = (RepoTags ?? []).filter((tag) => tag !== '<none>:<none>');
    const names = tags.length === 0 ? [Id] : tags.filter(isOurs);
    for (const name of names) {
      const { status } = await call('DELETE', `/images/${encodeURIComponent(name)}`, { allow: [404, 409] });
      if (status === 409) console.error(`    ${name} stays: a container that is not the demo's uses it`);
      else removed += 1;
    }
  }
  console.error(`==> Removed ${removed} images of the demo.`);
}

try {
  if (!where) throw new Error(`the demo cannot be made at ${process.argv[3]}: only unix:// and plain tcp:// are spoken here`);
  await { make, clean }[process.argv[2]]();
} catch (error) {
  console.error(`==> stopped: ${error.message}`);
  process.exitCode = 1;
}
