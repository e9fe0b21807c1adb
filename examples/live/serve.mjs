// Serves the pages beside it, and the client that they load: node examples/live/serve.mjs [PORT]
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

const PAGES = fileURLToPath(new URL(".", import.meta.url));
const CLIENT = fileURLToPath(new URL("../../clients/web/dist/", import.meta.url));
const TYPES = { ".html": "text/html", ".css": "text/css", ".js": "text/javascript" };

/** The file of a request: a page by its name, or a file of the client below `/client/`. */
function fileOf(url) {
  const { pathname } = new URL(url, "http://localhost");
  const name = path.basename(pathname === "/" ? "/dashboard.html" : pathname);
  return path.join(pathname.startsWith("/client/") ? CLIENT : PAGES, name);
}

const server = createServer(async ({ url }, response) => {
  const file = fileOf(url);
  const type = TYPES[path.extname(file)];
  const content = type && (await readFile(file).catch(() => undefined));
  if (content === undefined) return response.writeHead(404).end("There is no such page.\n");
  response.writeHead(200, { "content-type": `${type}; charset=utf-8` }).end(content);
});

server.listen(Number(process.argv[2] ?? 5173), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}`);
});
