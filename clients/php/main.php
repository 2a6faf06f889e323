<?php

// Calls the double through what openapi-generator made, and prints a line for each case.

declare(strict_types=1);

// Guzzle of the system's packages (php-guzzlehttp-guzzle), or of Composer.
require is_file(__DIR__ . '/vendor/autoload.php') ? __DIR__ . '/vendor/autoload.php' : 'GuzzleHttp/autoload.php';
$folder = $argv[1];
spl_autoload_register(function (string $class) use ($folder): void {
    if (str_starts_with($class, 'Segmind\\')) {
        require $folder . '/lib/' . str_replace('\\', '/', substr($class, strlen('Segmind\\'))) . '.php';
    }
});
require __DIR__ . '/waiting.php';

use Segmind\Api\GenerationsApi;
use Segmind\Api\JobsApi;
use Segmind\ApiException;
use Segmind\Configuration;
use Segmind\Model\AspectRatio;
use Segmind\Model\ErrorBody;
use Segmind\Model\Imagen4FastRequest;
use Segmind\Model\Imagen4Request;
use Segmind\Model\Imagen4UltraRequest;
use Segmind\Model\ImagenRequest;
use Segmind\Model\JobResult;
use Segmind\Model\PersonGeneration;
use Segmind\Model\SafetyFilterLevel;
use Segmind\Model\Scheduler;
use Segmind\ObjectSerializer;

const FOX = 'a red fox asleep in snow';
$http = safeHttp(30);
$cabin = new Imagen4Request(['prompt' => 'a cabin at sunrise']);

function configuration(string $url, ?string $key = null): Configuration
{
    return (new Configuration())->setHost($url)->setApiKey('x-api-key', $key ?? getenv('SEGMIND_API_KEY'));
}

function at(string $scenario, ?string $key = null): JobsApi
{
    return new JobsApi($GLOBALS['http'], configuration(getenv('SEGMIND_BASE_URL') . "/$scenario", $key));
}

function job(JobsApi $api, float $seconds = 60): JobResult
{
    return run($api, $GLOBALS['cabin'], $seconds, 0.05);
}

function submit(JobsApi $api): string
{
    return $api->submitImagen4($GLOBALS['cabin'])->getRequestId();
}

function generate(string $scenario): string
{
    $api = new GenerationsApi($GLOBALS['http'], configuration(getenv('SEGMIND_BASE_URL') . "/$scenario"));
    return $api->generateImagen4($GLOBALS['cabin'])->getPathname();
}

function line(string $name, callable $outcome): void
{
    try {
        $said = $outcome();
    } catch (MayHaveBeenAccepted) {
        $said = 'may have been accepted';
    } catch (NotSent) {
        $said = 'not sent';
    } catch (TimedOut) {
        $said = 'timed out, the job is known';
    } catch (ApiException $e) {
        $body = json_decode((string) $e->getResponseBody());
        $message = $body ? ObjectSerializer::deserialize($body, ErrorBody::class)->getError() : '';
        $said = trim("{$e->getCode()} $message");
    } catch (InvalidArgumentException) {
        $said = 'refused before it was sent';
    }
    echo "$name: $said\n";
}

line('v2 with polling', function () {
    $result = job(at('v2'));
    return "{$result->getStatus()}, cost {$result->getMetrics()->getCost()}";
});
line('v1 as JSON', function () {
    $result = ObjectSerializer::deserialize(file_get_contents(generate('v1-json')), JobResult::class);
    return count($result->getImages()) . ' image';
});
line('v1 as image bytes', function () use ($folder) {
    rename(generate('v1-image'), "$folder/v1.png");
    return 'saved';
});
$models = at('parameters');
line('parameters of imagen', fn () => $models->submitImagen(new ImagenRequest([
    'prompt' => FOX, 'aspect_ratio' => AspectRatio::PORTRAIT_3_4,
    'person_generation' => PersonGeneration::DONT_ALLOW, 'safety_filter_level' => SafetyFilterLevel::BLOCK_ONLY_HIGH,
]))->getStatus());
line('parameters of imagen-4', fn () => $models->submitImagen4(new Imagen4Request([
    'prompt' => FOX, 'aspect_ratio' => AspectRatio::PORTRAIT_9_16, 'negative_prompt' => 'people',
]))->getStatus());
line('parameters of imagen-4-fast', fn () => $models->submitImagen4Fast(new Imagen4FastRequest([
    'prompt' => FOX, 'width' => 768, 'height' => 640, 'steps' => 30, 'guidance_scale' => 8.5,
    'negative_prompt' => 'people', 'scheduler' => Scheduler::EULER_ANCESTRAL_DISCRETE, 'seed' => 7,
]))->getStatus());
line('parameters of imagen-4-ultra', fn () => $models->submitImagen4Ultra(new Imagen4UltraRequest([
    'prompt' => FOX, 'steps' => 50, 'guidance_scale' => 12.25, 'scheduler' => Scheduler::LMS_DISCRETE,
    'seed' => -1, 'aspect_ratio' => AspectRatio::SQUARE_1_1,
]))->getStatus());
line('value out of range', fn () => at('out-of-range')->submitImagen4Fast(
    (new Imagen4FastRequest(['prompt' => FOX]))->setWidth(2048)
)->getStatus());
line('wrong key', fn () => submit(at('wrong-key', 'SG_ffffffffffffffff')));
line('no credits', fn () => submit(at('no-credits')));
line('failed job', fn () => job(at('failed-job'))->getStatus());
line('rate limit', fn () => submit(at('rate-limit')));
line('unknown status', function () {
    $api = at('unknown-status');
    return $api->getJobStatus(submit($api))->getStatus();
});
line('unknown field', fn () => job(at('unknown-field'))->getStatus());
line('missing metrics', function () {
    $result = job(at('no-metrics'));
    return $result->getStatus() . ($result->getMetrics() === null ? ', no metrics' : ', metrics');
});
line('null for an optional value', function () {
    $result = job(at('null-field'));
    return $result->getStatus() . ($result->getImages() === null ? ', no images' : ', images');
});
line('id that is no UUID', fn () => job(at('foreign-id'))->getStatus());
line('HTML 502', fn () => submit(at('html-502')));
line('503', fn () => submit(at('unavailable')));

line('run after a 503', fn () => job(at('busy'))->getStatus());
line('run after a rate limit', fn () => job(at('limited'))->getStatus());
line('run without a connection', fn () => job(new JobsApi($http, configuration(getenv('SEGMIND_CLOSED_URL'))))->getStatus());
$lost = at('lost');
job($lost);
line('run with a lost response', fn () => job($lost)->getStatus());
line('run with an HTML 502', fn () => job(at('gateway'))->getStatus());
line('run with a 504', fn () => job(at('late'))->getStatus());
line('run with an unreadable response', fn () => job(at('unreadable'))->getStatus());
line('run with failing polls', fn () => job(at('flaky-polls'))->getStatus());
line('run past its deadline', fn () => job(at('endless'), 0.5)->getStatus());
