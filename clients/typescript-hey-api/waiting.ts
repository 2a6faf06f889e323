// What a generator cannot know: how to wait for a job, and what may be sent again without paying twice.
// Works with every client whose calls give { data, error, response }.
type Called<T> = { data?: T; error?: unknown; response?: Response };
type Job = { request_id?: string | null; status?: string | null };
export class NotSent extends Error {}
export class MayHaveBeenAccepted extends Error {}
export class TimedOut extends Error {}
export class Refused extends Error {
  constructor(readonly status: number, readonly body: unknown) { super(`${status}: ${JSON.stringify(body)}`); }
}
const ATTEMPTS = 4;
const NEVER_SENT = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT'];
const sleep = (seconds: number) => new Promise((done) => setTimeout(done, seconds * 1000));
const backoff = (attempt: number) => Math.random() * Math.min(30, 0.25 * 2 ** attempt);

export async function run<T>(
  submit: () => Promise<Called<Job>>, status: (id: string) => Promise<Called<Job>>,
  result: (id: string) => Promise<Called<T>>, deadline = 600, interval = 1,
): Promise<T> {
  const end = performance.now() / 1000 + deadline;
  const id = await post(submit, end);
  while ((await get(() => status(id), id, end)).status !== 'COMPLETED') await pause(interval, id, end);
  return get(() => result(id), id, end);
}

async function post(submit: () => Promise<Called<Job>>, end: number): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    const { data, error, response } = await submit().catch((error): Called<Job> => ({ error }));
    if (data?.request_id) return data.request_id;
    const code = (error as { cause?: { code?: string } } | undefined)?.cause?.code ?? '';
    if (!response && !NEVER_SENT.includes(code)) throw new MayHaveBeenAccepted(String(error));
    // An error of the service itself that names no job and no cost. A proxy's error says nothing about the job.
    const body = error as Record<string, unknown> | undefined;
    const own = typeof body?.error === 'string' && !('request_id' in body) && !('cost' in body);
    const again = !response || (own && [429, 500, 502, 503].includes(response.status));
    if (response && !again && (response.status < 400 || response.status === 429 || response.status >= 500))
      throw new MayHaveBeenAccepted(`the submit got ${response.status}`);
    const at = (name: string) => Date.parse(response?.headers.get(name) ?? '');
    const [reset, now] = [at('x-rate-limit-reset-at-utc'), at('date') || Date.now()];
    const wait = response?.status === 429 && reset ? Math.max(0, reset - now) / 1000 : backoff(attempt);
    if (!again || attempt === ATTEMPTS || performance.now() / 1000 + wait > end)
      throw response ? new Refused(response.status, error) : new NotSent(String(error));
    await sleep(wait);
  }
}

async function get<T>(call: () => Promise<Called<T>>, id: string, end: number): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const { data, error, response } = await call().catch((error): Called<T> => ({ error }));
    if (response?.ok && data) return data;
    if (response && response.status < 500 && ![200, 408, 429].includes(response.status))
      throw new Refused(response.status, error);
    await pause(backoff(attempt), id, end);
  }
}

async function pause(seconds: number, id: string, end: number): Promise<void> {
  if (performance.now() / 1000 + seconds > end) throw new TimedOut(`job ${id} has not completed in time; poll it again`);
  await sleep(seconds);
}
