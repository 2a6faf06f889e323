<?php

// What a generator cannot know: how to wait for a job, and what may be sent again without paying twice.

use Segmind\ApiException;

class NotSent extends Exception {}
class MayHaveBeenAccepted extends Exception {}
class TimedOut extends Exception {}

// libcurl itself sends a request again if a connection that was kept open breaks, a POST too.
function safeHttp(float $timeout): GuzzleHttp\Client
{
    $stack = GuzzleHttp\HandlerStack::create();
    $fresh = ['curl' => [CURLOPT_FRESH_CONNECT => true]];
    $stack->push(fn ($next) => fn ($request, $options) => $next($request, ($request->getMethod() === 'POST' ? $fresh : []) + $options));
    return new GuzzleHttp\Client(['handler' => $stack, 'timeout' => $timeout, 'connect_timeout' => 10]);
}

function run($api, $body, float $seconds, float $interval = 1)
{
    $end = microtime(true) + $seconds;
    $id = call(fn () => $api->submitImagen4($body), $end, true)->getRequestId();
    while (call(fn () => $api->getJobStatus($id), $end)->getStatus() !== 'COMPLETED') {
        if (microtime(true) > $end) {
            throw new TimedOut("job $id has not completed in time; poll it again");
        }
        usleep((int) ($interval * 1e6));
    }
    return call(fn () => $api->getJobResult($id), $end);
}

// Repeats a GET until the deadline, and a POST three times at most where that cannot pay twice.
function call(callable $send, float $end, bool $post = false)
{
    for ($attempt = 1; ; $attempt++) {
        try {
            return $send();
        } catch (ApiException $error) {
            $status = $error->getCode(); // 0 or 200: the response was lost or cannot be read
            $unsent = $status === 0 && preg_match('/cURL error (6|7):/', $error->getMessage());
            $failed = $status < 400 || $status === 429 || $status >= 500;
            // An error of the service itself that names no job and no cost. A proxy's error says nothing about the job.
            $said = json_decode((string) $error->getResponseBody(), true);
            $own = is_string($said['error'] ?? null) && !isset($said['request_id']) && !isset($said['cost']);
            if ($post && $failed && !$unsent && !($own && in_array($status, [429, 500, 502, 503], true))) {
                throw new MayHaveBeenAccepted($error->getMessage());
            }
            $headers = array_change_key_case($error->getResponseHeaders() ?? []);
            $pause = lcg_value() * 0.25 * 2 ** min($attempt, 7);
            if ($status === 429) {
                $pause = max(0, strtotime($headers['x-rate-limit-reset-at-utc'][0]) - strtotime($headers['date'][0]));
            }
            $late = microtime(true) + $pause > $end;
            if ((!$failed && ($post || $status !== 408)) || ($post && ($late || $attempt === 4))) {
                throw $unsent ? new NotSent($error->getMessage()) : $error;
            }
            if ($late) {
                throw new TimedOut('the job has not completed in time; poll it again');
            }
            usleep((int) ($pause * 1e6));
        }
    }
}
