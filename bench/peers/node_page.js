// The example's page served by Node without packages: the peer for memory and start-up.
// Usage: node node_page.js PORT FOLDER
'use strict';
const fs = require('fs');
const http = require('http');
const path = require('path');

const [port, folder] = process.argv.slice(2);
const root = path.resolve(folder);
const types = {'.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8',
               '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml'};

const fileOf = (url) => {
  const name = decodeURIComponent(url.split('?')[0]);
  const file = path.join(root, name === '/' ? 'index.html' : name.replace(/^\/static\//, ''));
  return file.startsWith(root + path.sep) ? file : null;
};

const answer = (request, response) => {
  let file = null;
  try {
    file = fileOf(request.url);
  } catch {
    // a malformed percent sign in the path
  }
  const stream = file === null ? null : fs.createReadStream(file);
  const missing = () => response.writeHead(404).end();
  if (stream === null) return missing();
  stream.once('error', missing);
  stream.once('open', () => {
    response.setHeader('content-type', types[path.extname(file)] || 'application/octet-stream');
    stream.pipe(response);
  });
};

http.createServer(answer).listen(Number(port), '127.0.0.1');
