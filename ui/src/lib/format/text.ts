/**
 * Text that came from a container, an image or a label, fit to be shown: control bytes and the marks that turn the
 * direction of reading are made visible, so that nothing on the screen can pose as something else.
 */
export function shown(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
}
