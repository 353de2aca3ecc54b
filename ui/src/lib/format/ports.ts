import type { Port } from '$lib/api/client';

/** `8080→80`, with the protocol where it is not TCP and the address where only this machine can reach it. */
export function port(of: Port): string {
  const inside = of.protocol === 'tcp' ? `${of.container_port}` : `${of.container_port}/${of.protocol}`;
  return of.host_port === null ? inside : `${of.host_port}→${inside}`;
}

/** Published ones, each once: an engine lists a port for IPv4 and again for IPv6. */
export function published(ports: readonly Port[]): string[] {
  return [...new Set(ports.filter((p) => p.host_port !== null).map(port))];
}
