// Packs the drawn PNG files into icons/icon.ico (Windows) and icons/icon.icns (macOS). Both hold PNG as it is.
import { readFileSync, writeFileSync } from 'node:fs';

const png = (size) => readFileSync(`icons/${size}x${size}.png`);

function ico(sizes) {
  const images = sizes.map(png);
  const header = Buffer.alloc(6 + 16 * sizes.length);
  header.writeUInt16LE(1, 2);
  header.writeUInt16LE(sizes.length, 4);
  let offset = header.length;
  sizes.forEach((size, i) => {
    const at = 6 + 16 * i;
    header[at] = header[at + 1] = size === 256 ? 0 : size;
    header.writeUInt16LE(1, at + 4);
    header.writeUInt16LE(32, at + 6);
    header.writeUInt32LE(images[i].length, at + 8);
    header.writeUInt32LE(offset, at + 12);
    offset += images[i].length;
  });
  return Buffer.concat([header, ...images]);
}

function chunk(type, data) {
  const head = Buffer.alloc(8);
  head.write(type, 'ascii');
  head.writeUInt32BE(8 + data.length, 4);
  return Buffer.concat([head, data]);
}

// Type codes of the icon's sizes; those of the doubled displays hold the same pixels.
const ICNS = { icp4: 16, icp5: 32, ic11: 32, icp6: 64, ic12: 64, ic07: 128, ic08: 256, ic13: 256, ic09: 512, ic14: 512 };

writeFileSync('icons/icon.ico', ico([16, 24, 32, 48, 64, 256]));
writeFileSync('icons/icon.icns', chunk('icns', Buffer.concat(Object.entries(ICNS).map(([t, s]) => chunk(t, png(s))))));
