// Calls the double through openapi-fetch, typed by what openapi-typescript generated, and prints a line for each case.

import { writeFile } from 'node:fs/promises';
import createClient from 'openapi-fetch';
import type { paths } from './generated/schema.js';
import { MayHaveBeenAccepted, NotSent, Refused, run, TimedOut } from '../typescript-hey-api/waiting.js';

const { SEGMIND_BASE_URL: BASE, SEGMIND_CLOSED_URL: CLOSED, SEGMIND_API_KEY: KEY = '' } = process.env;
const FOLDER = process.argv[2];
const PROMPT = { prompt: 'a cabin at sunrise' };
const FOX = 'a red fox asleep in snow';

const client = (baseUrl: string, key = KEY) =>
  createClient<paths>({
    baseUrl,
    headers: { 'x-api-key': key },
    fetch: (request) => fetch(request, { signal: AbortSignal.timeout(30_000) }),
  });
const at = (scenario: string, key = KEY) => client(`${BASE}/${scenario}`, key);
type Client = ReturnType<typeof at>;

const submit = (api: Client) => api.POST('/v2/imagen-4', { body: PROMPT });
const status = (api: Client, request_id: string) =>
  api.GET('/v2/requests/{request_id}/status', { params: { path: { request_id } } });
const result = (api: Client, request_id: string) =>
  api.GET('/v2/requests/{request_id}', { params: { path: { request_id } } });
const job = (api: Client, deadline = 60) =>
  run(() => submit(api), (id) => status(api, id), (id) => result(api, id), deadline, 0.05);

async function line(name: string, outcome: () => Promise<string>): Promise<void> {
  console.log(`${name}: ${await outcome().catch(told)}`);
}

function told(error: unknown): string {
  if (error instanceof NotSent) return 'not sent';
  if (error instanceof MayHaveBeenAccepted) return 'may have been accepted';
  if (error instanceof TimedOut) return 'timed out, the job is known';
  if (error instanceof Refused) return said({ error: error.body as object, response: { status: error.status } });
  return `failed: ${error}`;
}

// The status of a response and what the service said, read through the generated type of the error.
function said({ error, response }: { error?: { error?: string | null } | string; response?: { status: number } }): string {
  const message = typeof error === 'object' ? error.error : null;
  return `${response?.status} ${message ?? ''}`.trim();
}

await line('v2 with polling', async () => {
  const done = await job(at('v2'));
  return `${done.status}, cost ${done.metrics?.cost}`;
});
await line('v1 as JSON', async () => {
  const { data } = await at('v1-json').POST('/v1/imagen-4', { body: PROMPT });
  return `${(data as unknown as { images?: object[] }).images?.length} image`;
});
await line('v1 as image bytes', async () => {
  const { data } = await at('v1-image').POST('/v1/imagen-4', { body: PROMPT, parseAs: 'arrayBuffer' });
  await writeFile(`${FOLDER}/v1.png`, new Uint8Array(data as unknown as ArrayBuffer));
  return 'saved';
});
const models = at('parameters');
await line('parameters of imagen', async () => {
  const body = {
    prompt: FOX, aspect_ratio: '3:4', person_generation: 'DONT_ALLOW', safety_filter_level: 'BLOCK_ONLY_HIGH',
  } as const;
  return `${(await models.POST('/v2/imagen', { body })).data?.status}`;
});
await line('parameters of imagen-4', async () => {
  const body = { prompt: FOX, aspect_ratio: '9:16', negative_prompt: 'people' } as const;
  return `${(await models.POST('/v2/imagen-4', { body })).data?.status}`;
});
await line('parameters of imagen-4-fast', async () => {
  const body = {
    prompt: FOX, width: 768, height: 640, steps: 30, guidance_scale: 8.5, negative_prompt: 'people',
    scheduler: 'EulerAncestralDiscrete', seed: 7,
  } as const;
  return `${(await models.POST('/v2/imagen-4-fast', { body })).data?.status}`;
});
await line('parameters of imagen-4-ultra', async () => {
  const body = {
    prompt: FOX, steps: 50, guidance_scale: 12.25, scheduler: 'LMSDiscrete', seed: -1, aspect_ratio: '1:1',
  } as const;
  return `${(await models.POST('/v2/imagen-4-ultra', { body })).data?.status}`;
});
await line('value out of range', async () =>
  said(await at('out-of-range').POST('/v2/imagen-4-fast', { body: { prompt: FOX, width: 2048 } })));
await line('wrong key', async () => said(await submit(at('wrong-key', 'SG_ffffffffffffffff'))));
await line('no credits', async () => said(await submit(at('no-credits'))));
await line('failed job', () => job(at('failed-job')).then(String));
await line('rate limit', async () => said(await submit(at('rate-limit'))));
await line('unknown status', async () => {
  const api = at('unknown-status');
  return `${(await status(api, (await submit(api)).data!.request_id!)).data?.status}`;
});
await line('unknown field', async () => `${(await job(at('unknown-field'))).status}`);
await line('missing metrics', async () => {
  const done = await job(at('no-metrics'));
  return `${done.status}, ${done.metrics ? 'metrics' : 'no metrics'}`;
});
await line('null for an optional value', async () => {
  const done = await job(at('null-field'));
  return `${done.status}, ${done.images ? 'images' : 'no images'}`;
});
await line('id that is no UUID', async () => `${(await job(at('foreign-id'))).status}`);
await line('HTML 502', async () => said(await submit(at('html-502'))));
await line('503', async () => said(await submit(at('unavailable'))));

await line('run after a 503', async () => `${(await job(at('busy'))).status}`);
await line('run after a rate limit', async () => `${(await job(at('limited'))).status}`);
await line('run without a connection', async () => `${(await job(client(CLOSED!))).status}`);
const lost = at('lost');
await job(lost);
await line('run with a lost response', async () => `${(await job(lost)).status}`);
await line('run with an HTML 502', async () => `${(await job(at('gateway'))).status}`);
await line('run with a 504', async () => `${(await job(at('late'))).status}`);
await line('run with an unreadable response', async () => `${(await job(at('unreadable'))).status}`);
await line('run with failing polls', async () => `${(await job(at('flaky-polls'))).status}`);
await line('run past its deadline', async () => `${(await job(at('endless'), 0.5)).status}`);
