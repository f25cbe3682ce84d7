// A shop on Express. `identity.mjs` is the module of docs/clients/express.md.
import { setTimeout } from 'node:timers/promises';
import { trace } from '@opentelemetry/api';
import express from 'express';
import { identify } from './identity.mjs';

const app = express();
app.use((request, response, next) => {
  if (request.get('X-User')) identify(request.get('X-User'), request.get('X-Organization'));
  next();
});

const orders = express.Router();
orders.get('/:orderId', async (request, response) => {
  await setTimeout(30);
  response.end();
});
orders.get('/:orderId/broken', async () => {
  throw new Error('planted secret');
});
app.use('/api/orders', orders);
app.get('/pricing', (request, response) => response.end());
app.get('/stream', async (request, response) => {
  for (let piece = 0; piece < 3; piece++) {
    await setTimeout(10);
    response.write('piece');
  }
  response.end();
});
app.get('/mistaken', (request, response) => {
  const who = { 'user.id': request.get('X-Mistaken'), 'organization.id': request.get('X-Organization') };
  trace.getActiveSpan().setAttributes(who);
  response.end();
});

const mounted = express();
mounted.get('/items/:itemId{/:part}', (request, response) => response.end());
app.use('/mounted', mounted);
app.listen(Number(process.env.PORT), '127.0.0.1');
