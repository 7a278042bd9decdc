// Node's bare http server: the peer that `hello` is measured against. Usage: node node_http.js PORT
'use strict';
const http = require('http');

const answer = (request, response) => {
  response.setHeader('content-type', 'text/plain');
  response.end('hello');
};

http.createServer(answer).listen(Number(process.argv[2]), '127.0.0.1');
