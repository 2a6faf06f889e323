# frozen_string_literal: true

require 'json'
require 'time'

# What a generator cannot know: how to wait for a job, and what may be sent again without paying twice.
module Waiting
  class NotSent < StandardError; end
  class MayHaveBeenAccepted < StandardError; end
  class TimedOut < StandardError; end

  # libcurl itself sends a request again if a connection that was kept open breaks, a POST too.
  class Client < Segmind::ApiClient
    def build_request(method, path, opts = {})
      super.tap { |request| request.options[:fresh_connect] = true if method == :POST }
    end
  end

  module_function

  def now
    Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end

  def run(api, body, seconds, interval = 1)
    stop = now + seconds
    id = call(stop, post: true) { api.submit_imagen4(body) }.request_id
    until call(stop) { api.get_job_status(id) }.status == 'COMPLETED'
      raise TimedOut, "job #{id} has not completed in time; poll it again" if now > stop

      sleep interval
    end
    call(stop) { api.get_job_result(id) }
  end

  # Repeats a GET until the deadline, and a POST three times at most where that cannot pay twice.
  def call(stop, post: false)
    (1..).each do |attempt|
      return yield
    rescue Segmind::ApiError, JSON::ParserError => e
      error = e.is_a?(Segmind::ApiError) ? e : Segmind::ApiError.new(code: 0, message: e.message)
      status = error.code.to_i # 0: the response was lost or cannot be read
      unsent = status.zero? && error.message.match?(/Could ?n.t (connect|resolve)/i)
      failed = status < 400 || status == 429 || status >= 500
      if post && failed && !unsent && !([429, 500, 502, 503].include?(status) && own?(error.response_body))
        raise MayHaveBeenAccepted, error.message
      end

      headers = (error.response_headers || {}).to_h.transform_keys(&:downcase)
      pause = rand * 0.25 * 2**[attempt, 7].min
      pause = Time.iso8601(headers['x-rate-limit-reset-at-utc']) - Time.httpdate(headers['date']) if status == 429
      late = now + pause > stop
      if (!failed && (post || status != 408)) || (post && (late || attempt == 4))
        raise unsent ? NotSent.new(error.message) : error
      end
      raise TimedOut, 'the job has not completed in time; poll it again' if late

      sleep [0, pause].max
    end
  end

  # Whether an error is the service's own, and names no job and no cost. A proxy's error says nothing about the job.
  def own?(body)
    said = JSON.parse(body.to_s)
    said.is_a?(Hash) && said['error'].is_a?(String) && !said.key?('request_id') && !said.key?('cost')
  rescue JSON::ParserError
    false
  end
end
