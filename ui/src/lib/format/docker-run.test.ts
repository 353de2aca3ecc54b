import { expect, it } from 'vitest';

import { dockerRun } from './docker-run';

const run = (inspect: unknown, values = true) => dockerRun(inspect, values).split(' \\\n  ');

it('a container is made anew with what it was made with', () => {
  const inspect = {
    Name: '/shop',
    Config: {
      Image: 'shop:v1',
      Env: ['A=1', "GREETING=it's here", 'EQUALS=a=b'],
      User: '1000',
      WorkingDir: '/srv',
      Entrypoint: ['/bin/sh', '-c'],
      Cmd: ['serve --port $PORT'],
    },
    HostConfig: {
      NetworkMode: 'shop_default',
      RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 },
      PortBindings: {
        '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '8080' }],
        '53/udp': [{ HostIp: '::1', HostPort: '53' }],
        '90/tcp': [{ HostIp: '', HostPort: '' }],
      },
      Memory: 536_870_912,
      NanoCpus: 1_500_000_000,
      CapAdd: ['NET_ADMIN'],
    },
    Mounts: [
      { Type: 'volume', Name: 'data', Source: '/var/lib/x', Destination: '/data', RW: true },
      { Type: 'bind', Source: '/etc/my conf', Destination: '/conf', RW: false },
      { Type: 'tmpfs', Destination: '/run' },
    ],
  };
  expect(run(inspect)).toEqual([
    'docker run -d',
    '--name shop',
    '--restart on-failure:3',
    '--network shop_default',
    '-p 127.0.0.1:8080:80',
    "-p '[::1]:53:53/udp'",
    '-p 90',
    '-v data:/data',
    "-v '/etc/my conf:/conf:ro'",
    '--tmpfs /run',
    '-e A=1',
    `-e 'GREETING=it'\\''s here'`,
    '-e EQUALS=a=b',
    '--memory 536870912',
    '--cpus 1.5',
    '--user 1000',
    '--workdir /srv',
    '--cap-add NET_ADMIN',
    '--entrypoint /bin/sh',
    "shop:v1 -c 'serve --port $PORT'",
  ]);
});

it('no value of the environment is written unless it is asked for', () => {
  const inspect = { Config: { Image: 'x', Env: ['TOKEN=s3cret'] } };
  expect(dockerRun(inspect, false)).not.toContain('s3cret');
  expect(run(inspect, false)).toContain("-e 'TOKEN=…'");
});

it.each([
  ["'; rm -rf ~; '", `''\\''; rm -rf ~; '\\'''`],
  ['$(reboot)', "'$(reboot)'"],
  ['`reboot`', "'`reboot`'"],
  ['a\nb', "'a\nb'"],
])('a name that is a trap for a shell (%s) is only a name', (name, written) => {
  expect(run({ Name: name, Config: { Image: 'x' } })[1]).toBe(`--name ${written}`);
});

it.each([[null], [{}], [{ Config: 'x', HostConfig: [], Mounts: {} }], ['text'], [{ Name: 7 }]])(
  'what is no inspect (%o) is read leniently',
  (inspect) => {
    expect(dockerRun(inspect, true)).toContain('docker run -d');
  },
);
