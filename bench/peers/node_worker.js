// A Node worker for each request: a new V8 isolate that says hello and ends. The peer that `hello` is measured against.
// Usage: node node_worker.js PORT
'use strict';
const http = require('http');
const {Worker} = require('worker_threads');

const code = "require('worker_threads').parentPort.postMessage('hello')";

const answer = (request, response) => {
  const worker = new Worker(code, {eval: true});
  worker.once('message', (text) => {
    response.setHeader('content-type', 'text/plain');
    response.end(text);
  });
  worker.once('error', () => response.writeHead(500).end());
};

http.createServer(answer).listen(Number(process.argv[2]), '127.0.0.1');
