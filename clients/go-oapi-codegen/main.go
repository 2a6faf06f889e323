// Calls the double through what oapi-codegen generated, and prints a line for each case.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"segmind-example/oapi-codegen/generated/segmind"
	"segmind-example/waiting"
)

const interval = 50 * time.Millisecond

var (
	folder = os.Args[1]
	key    = os.Getenv("SEGMIND_API_KEY")
	cabin  = segmind.Imagen4Request{Prompt: "a cabin at sunrise"}
	// One client, so that all scenarios share its connections.
	plain  = &http.Client{Timeout: 30 * time.Second}
	secure = &http.Client{Timeout: 60 * time.Second, Transport: waiting.Transport{RoundTripper: http.DefaultTransport}}
)

// refused is an error response.
type refused struct {
	status int
	body   []byte
}

func (r refused) Error() string {
	var said segmind.ErrorBody
	if json.Unmarshal(r.body, &said) != nil || said.Error == nil {
		return fmt.Sprint(r.status)
	}
	return fmt.Sprint(r.status, " ", *said.Error)
}

func at(url, key string, doer *http.Client) *segmind.ClientWithResponses {
	api, err := segmind.NewClientWithResponses(url, segmind.WithHTTPClient(doer),
		segmind.WithRequestEditorFn(func(_ context.Context, request *http.Request) error {
			request.Header.Set("x-api-key", key)
			return nil
		}))
	if err != nil {
		panic(err)
	}
	return api
}

func scenario(name string) *segmind.ClientWithResponses {
	return at(os.Getenv("SEGMIND_BASE_URL")+"/"+name, key, plain)
}

func safe(name string) *segmind.ClientWithResponses {
	return at(os.Getenv("SEGMIND_BASE_URL")+"/"+name, key, secure)
}

func submit(ctx context.Context, api *segmind.ClientWithResponses) (string, error) {
	response, err := api.SubmitImagen4WithResponse(ctx, cabin)
	if err != nil {
		return "", err
	}
	if response.JSON200 == nil {
		return "", refused{response.StatusCode(), response.Body}
	}
	return response.JSON200.RequestId, nil
}

func status(ctx context.Context, api *segmind.ClientWithResponses, id string) (string, error) {
	response, err := api.GetJobStatusWithResponse(ctx, id)
	if err != nil {
		return "", err
	}
	if response.JSON200 == nil {
		return "", refused{response.StatusCode(), response.Body}
	}
	return *response.JSON200.Status, nil
}

func run(api *segmind.ClientWithResponses, deadline time.Duration) (*segmind.JobResult, error) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	id, err := submit(ctx, api)
	if err != nil {
		return nil, err
	}
	err = waiting.Wait(ctx, interval, func(ctx context.Context) (string, error) { return status(ctx, api, id) })
	if err != nil {
		return nil, fmt.Errorf("job %s: %w", id, err)
	}
	response, err := api.GetJobResultWithResponse(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("job %s: %w", id, err)
	}
	if response.JSON200 == nil {
		return nil, refused{response.StatusCode(), response.Body}
	}
	return response.JSON200, nil
}

func line(name string, outcome func() (string, error)) {
	said, err := outcome()
	var response refused
	switch {
	case err == nil:
	case errors.Is(err, waiting.ErrMaybeAccepted):
		said = "may have been accepted"
	case errors.Is(err, waiting.ErrNotSent):
		said = "not sent"
	case errors.Is(err, context.DeadlineExceeded):
		said = "timed out, the job is known"
	case errors.As(err, &response):
		said = response.Error()
	default:
		said = "failed: " + err.Error()
	}
	fmt.Printf("%s: %s\n", name, said)
}

func submitLine(name string, api *segmind.ClientWithResponses) {
	line(name, func() (string, error) { return submit(context.Background(), api) })
}

func runLine(name string, api *segmind.ClientWithResponses, deadline time.Duration) {
	line(name, func() (string, error) {
		result, err := run(api, deadline)
		if err != nil {
			return "", err
		}
		return *result.Status, nil
	})
}

func pointer[T any](value T) *T { return &value }

func main() {
	ctx := context.Background()
	line("v2 with polling", func() (string, error) {
		result, err := run(safe("v2"), time.Minute)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s, cost %v", *result.Status, *result.Metrics.Cost), nil
	})
	line("v1 as JSON", func() (string, error) {
		response, err := scenario("v1-json").GenerateImagen4WithResponse(ctx, cabin)
		if err != nil {
			return "", err
		}
		var output segmind.JobResult
		err = json.Unmarshal(response.Body, &output)
		return fmt.Sprintf("%d image", len(*output.Images)), err
	})
	line("v1 as image bytes", func() (string, error) {
		response, err := scenario("v1-image").GenerateImagen4WithResponse(ctx, cabin)
		if err != nil {
			return "", err
		}
		return "saved", os.WriteFile(folder+"/v1.png", response.Body, 0o600)
	})

	models, fox := scenario("parameters"), "a red fox asleep in snow"
	line("parameters of imagen", func() (string, error) {
		response, err := models.SubmitImagenWithResponse(ctx, segmind.ImagenRequest{
			Prompt: fox, AspectRatio: pointer(segmind.PORTRAIT34), PersonGeneration: pointer(segmind.DONTALLOW),
			SafetyFilterLevel: pointer(segmind.BLOCKONLYHIGH),
		})
		return *response.JSON200.Status, err
	})
	line("parameters of imagen-4", func() (string, error) {
		response, err := models.SubmitImagen4WithResponse(ctx, segmind.Imagen4Request{
			Prompt: fox, AspectRatio: pointer(segmind.PORTRAIT916), NegativePrompt: pointer("people"),
		})
		return *response.JSON200.Status, err
	})
	line("parameters of imagen-4-fast", func() (string, error) {
		response, err := models.SubmitImagen4FastWithResponse(ctx, segmind.Imagen4FastRequest{
			Prompt: fox, Width: pointer(768), Height: pointer(640), Steps: pointer(30), GuidanceScale: pointer(8.5),
			NegativePrompt: pointer("people"), Scheduler: pointer(segmind.EulerAncestralDiscrete), Seed: pointer(7),
		})
		return *response.JSON200.Status, err
	})
	line("parameters of imagen-4-ultra", func() (string, error) {
		response, err := models.SubmitImagen4UltraWithResponse(ctx, segmind.Imagen4UltraRequest{
			Prompt: fox, Steps: pointer(50), GuidanceScale: pointer(12.25), Scheduler: pointer(segmind.LMSDiscrete),
			Seed: pointer(-1), AspectRatio: pointer(segmind.SQUARE11),
		})
		return *response.JSON200.Status, err
	})

	line("value out of range", func() (string, error) {
		response, err := scenario("out-of-range").SubmitImagen4FastWithResponse(ctx, segmind.Imagen4FastRequest{
			Prompt: fox, Width: pointer(2048),
		})
		if err != nil {
			return "", err
		}
		return "", refused{response.StatusCode(), response.Body}
	})
	submitLine("wrong key", at(os.Getenv("SEGMIND_BASE_URL")+"/wrong-key", "SG_ffffffffffffffff", plain))
	submitLine("no credits", scenario("no-credits"))
	runLine("failed job", safe("failed-job"), time.Minute)
	submitLine("rate limit", scenario("rate-limit"))
	line("unknown status", func() (string, error) {
		api := scenario("unknown-status")
		id, err := submit(ctx, api)
		if err != nil {
			return "", err
		}
		return status(ctx, api, id)
	})
	runLine("unknown field", safe("unknown-field"), time.Minute)
	line("missing metrics", func() (string, error) {
		result, err := run(safe("no-metrics"), time.Minute)
		if err != nil || result.Metrics != nil {
			return "metrics", err
		}
		return *result.Status + ", no metrics", nil
	})
	line("null for an optional value", func() (string, error) {
		result, err := run(safe("null-field"), time.Minute)
		if err != nil || result.Images != nil {
			return "images", err
		}
		return *result.Status + ", no images", nil
	})
	runLine("id that is no UUID", safe("foreign-id"), time.Minute)
	submitLine("HTML 502", scenario("html-502"))
	submitLine("503", scenario("unavailable"))

	runLine("run after a 503", safe("busy"), time.Minute)
	runLine("run after a rate limit", safe("limited"), time.Minute)
	runLine("run without a connection", at(os.Getenv("SEGMIND_CLOSED_URL"), key, secure), time.Minute)
	lost := safe("lost")
	if _, err := run(lost, time.Minute); err != nil {
		panic(err)
	}
	runLine("run with a lost response", lost, time.Minute)
	runLine("run with an HTML 502", safe("gateway"), time.Minute)
	runLine("run with a 504", safe("late"), time.Minute)
	runLine("run with an unreadable response", safe("unreadable"), time.Minute)
	runLine("run with failing polls", safe("flaky-polls"), time.Minute)
	runLine("run past its deadline", safe("endless"), 500*time.Millisecond)
}
