// The hash of what the page is built from. The build leaves it in built-from.json; the tests of the Python side compute
// it again from the files and compare. Paths are sorted by their bytes; each file counts with its path and its length.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const BUILT_FROM = [
  "index.html",
  "package.json",
  "package-lock.json",
  "tsconfig.json",
  "vite.config.ts",
  "sources.ts",
];

function filesBelow(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory() ? filesBelow(root, path) : [path];
  });
}

export function sourcesHash(root: string): string {
  const digest = createHash("sha256");
  for (const path of [...BUILT_FROM, ...["public", "src"].flatMap((folder) => filesBelow(root, folder))].sort(
    (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)),
  )) {
    const content = readFileSync(join(root, path));
    digest.update(`${path}\0${content.length}\0`);
    digest.update(content);
  }
  return digest.digest("hex");
}
