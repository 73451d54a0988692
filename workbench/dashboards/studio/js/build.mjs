// npm install --no-package-lock && npm run build
// Writes ../builder.bundle.js: one file that asks nobody for anything, with the licences of what is inside.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { build } from "esbuild";

const sources = readdirSync(".").filter((name) => /\.(jsx|css)$/.test(name) || name === "icons.js").sort();
const hash = createHash("sha256");
for (const name of sources) hash.update(readFileSync(name));
const licences = ["preact", "sortablejs"].map(
  (name) => `${name}\n\n${readFileSync(`node_modules/${name}/LICENSE`, "utf8")}`,
);
await build({
  entryPoints: ["builder.jsx"],
  outfile: "../builder.bundle.js",
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  jsxFactory: "h",
  jsxFragment: "Fragment",
  loader: { ".css": "text" },
  legalComments: "none",
  banner: { js: `/*! sources ${hash.digest("hex")}\n\n${licences.join("\n\n").replaceAll("*/", "* /")}*/` },
});
