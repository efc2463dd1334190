import { writeFileSync } from "node:fs";
import { join } from "node:path";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";
import { sourcesHash } from "./sources";

const OUT = join(import.meta.dirname, "../src/gnomon/server/static");
const SERVER = process.env.GNOMON_SERVER ?? "http://127.0.0.1:8712";

function builtFrom(): Plugin {
  return {
    name: "built-from",
    apply: "build",
    closeBundle() {
      const sha256 = sourcesHash(import.meta.dirname);
      writeFileSync(join(OUT, "built-from.json"), `${JSON.stringify({ sha256 })}\n`);
    },
  };
}

export default defineConfig({
  plugins: [react(), builtFrom()],
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: "es2023",
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 900,
  },
  server: { proxy: { "/api": { target: SERVER, changeOrigin: true, headers: { origin: SERVER } } } },
});
