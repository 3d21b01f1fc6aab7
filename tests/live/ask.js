/* Calls functions of the live model's modules for tests in Python: each line that comes in is a call as JSON, {name,
 * given, then}, each line that goes out what it gave. A typed array is {"type": "Float32Array", "values": [...]} on
 * its way in, a plain list on its way out. then: the lists of arguments that a result, a function, is called with. */
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");

const folder = path.join(__dirname, "..", "..", "book", "_static", "live");
for (const file of fs.readdirSync(folder)) {
  if (file.endsWith(".js") && !file.startsWith("panel")) require(path.join(folder, file));
}

const revived = (_key, value) => (value?.type ? globalThis[value.type].from(value.values) : value);
const plain = (_key, value) => (ArrayBuffer.isView(value) ? Array.from(value) : value);

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const { name, given, then } = JSON.parse(line, revived);
  const result = globalThis.segattr.live[name](...given);
  const answer = then ? then.map((each) => result(...each)) : result;
  process.stdout.write(`${JSON.stringify(answer, plain)}\n`);
});
