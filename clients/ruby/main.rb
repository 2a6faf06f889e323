# frozen_string_literal: true

# Calls the double through what openapi-generator made, and prints a line for each case.

FOLDER = ARGV.fetch(0)
$LOAD_PATH.unshift(File.join(FOLDER, 'lib'))
require 'fileutils'
require 'uri'
require 'segmind_generated'
require_relative 'waiting'

BASE, CLOSED, KEY = ENV.values_at('SEGMIND_BASE_URL', 'SEGMIND_CLOSED_URL', 'SEGMIND_API_KEY')
CABIN = Segmind::Imagen4Request.new(prompt: 'a cabin at sunrise')
FOX = 'a red fox asleep in snow'

def client(url, key = KEY)
  config = Segmind::Configuration.new
  uri = URI(url)
  config.scheme, config.host, config.base_path = uri.scheme, "#{uri.host}:#{uri.port}", uri.path
  config.server_index = nil # the servers of the contract are not used then
  config.api_key['x-api-key'] = key
  config.timeout = 30 # there is none by default
  config.logger = Logger.new(File::NULL)
  Waiting::Client.new(config)
end

def at(scenario, key = KEY)
  Segmind::JobsApi.new(client("#{BASE}/#{scenario}", key))
end

def run(api, seconds = 60)
  Waiting.run(api, CABIN, seconds, 0.05)
end

def submit(api)
  api.submit_imagen4(CABIN).request_id
end

def generate(scenario)
  Segmind::GenerationsApi.new(client("#{BASE}/#{scenario}")).generate_imagen4(CABIN)
end

def line(name)
  puts "#{name}: #{yield}"
rescue Waiting::MayHaveBeenAccepted
  puts "#{name}: may have been accepted"
rescue Waiting::NotSent
  puts "#{name}: not sent"
rescue Waiting::TimedOut
  puts "#{name}: timed out, the job is known"
rescue ArgumentError
  puts "#{name}: refused before it was sent"
rescue Segmind::ApiError => e
  puts "#{name}: #{"#{e.code} #{message(e.response_body)}".strip}"
end

def message(body)
  Segmind::ErrorBody.build_from_hash(JSON.parse(body, symbolize_names: true)).error
rescue JSON::ParserError
  nil
end

line('v2 with polling') do
  result = run(at('v2'))
  "#{result.status}, cost #{result.metrics.cost}"
end
line('v1 as JSON') do
  fields = JSON.parse(File.read(generate('v1-json').path), symbolize_names: true)
  "#{Segmind::JobResult.build_from_hash(fields).images.size} image"
end
line('v1 as image bytes') do
  FileUtils.cp(generate('v1-image').path, File.join(FOLDER, 'v1.png'))
  'saved'
end
models = at('parameters')
line('parameters of imagen') do
  models.submit_imagen(
    Segmind::ImagenRequest.new(
      prompt: FOX, aspect_ratio: Segmind::AspectRatio::PORTRAIT_3_4,
      person_generation: Segmind::PersonGeneration::DONT_ALLOW,
      safety_filter_level: Segmind::SafetyFilterLevel::BLOCK_ONLY_HIGH
    )
  ).status
end
line('parameters of imagen-4') do
  models.submit_imagen4(
    Segmind::Imagen4Request.new(
      prompt: FOX, aspect_ratio: Segmind::AspectRatio::PORTRAIT_9_16, negative_prompt: 'people'
    )
  ).status
end
line('parameters of imagen-4-fast') do
  models.submit_imagen4_fast(
    Segmind::Imagen4FastRequest.new(
      prompt: FOX, width: 768, height: 640, steps: 30, guidance_scale: 8.5, negative_prompt: 'people',
      scheduler: Segmind::Scheduler::EULER_ANCESTRAL_DISCRETE, seed: 7
    )
  ).status
end
line('parameters of imagen-4-ultra') do
  models.submit_imagen4_ultra(
    Segmind::Imagen4UltraRequest.new(
      prompt: FOX, steps: 50, guidance_scale: 12.25, scheduler: Segmind::Scheduler::LMS_DISCRETE, seed: -1,
      aspect_ratio: Segmind::AspectRatio::SQUARE_1_1
    )
  ).status
end
line('value out of range') do
  at('out-of-range').submit_imagen4_fast(Segmind::Imagen4FastRequest.new(prompt: FOX, width: 2048)).status
end
line('wrong key') { submit(at('wrong-key', 'SG_ffffffffffffffff')) }
line('no credits') { submit(at('no-credits')) }
line('failed job') { run(at('failed-job')).status }
line('rate limit') { submit(at('rate-limit')) }
line('unknown status') do
  api = at('unknown-status')
  api.get_job_status(submit(api)).status
end
line('unknown field') { run(at('unknown-field')).status }
line('missing metrics') do
  result = run(at('no-metrics'))
  "#{result.status}, #{result.metrics.nil? ? 'no metrics' : 'metrics'}"
end
line('null for an optional value') do
  result = run(at('null-field'))
  "#{result.status}, #{result.images.nil? ? 'no images' : 'images'}"
end
line('id that is no UUID') { run(at('foreign-id')).status }
line('HTML 502') { submit(at('html-502')) }
line('503') { submit(at('unavailable')) }

line('run after a 503') { run(at('busy')).status }
line('run after a rate limit') { run(at('limited')).status }
line('run without a connection') { run(Segmind::JobsApi.new(client(CLOSED))).status }
lost = at('lost')
run(lost)
line('run with a lost response') { run(lost).status }
line('run with an HTML 502') { run(at('gateway')).status }
line('run with a 504') { run(at('late')).status }
line('run with an unreadable response') { run(at('unreadable')).status }
line('run with failing polls') { run(at('flaky-polls')).status }
line('run past its deadline') { run(at('endless'), 0.5).status }
