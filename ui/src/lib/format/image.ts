/** An image by what tells it apart: without its registry's host, an id by its first twelve characters. */
export function image(reference: string): string {
  const id = /^sha256:([0-9a-f]{12})[0-9a-f]+$/.exec(reference);
  if (id?.[1]) return id[1];
  const [host, ...rest] = reference.split('/');
  const isHost = host !== undefined && (/[.:]/.test(host) || host === 'localhost');
  return isHost && rest.length > 0 ? rest.join('/') : reference;
}
