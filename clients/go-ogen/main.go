// Calls the double through what ogen generated, and prints a line for each case.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/ogen-go/ogen/validate"

	"segmind-example/ogen/generated/segmind"
	"segmind-example/waiting"
)

const interval = 50 * time.Millisecond

var (
	folder = os.Args[1]
	key    = os.Getenv("SEGMIND_API_KEY")
	cabin  = &segmind.Imagen4Request{Prompt: "a cabin at sunrise"}
	// One client, so that all scenarios share its connections.
	plain  = &http.Client{Timeout: 30 * time.Second}
	secure = &http.Client{Timeout: 60 * time.Second, Transport: waiting.Transport{RoundTripper: http.DefaultTransport}}
)

// account is the source of the API key.
type account string

func (a account) ApiKey(context.Context, segmind.OperationName) (segmind.ApiKey, error) {
	return segmind.ApiKey{APIKey: string(a)}, nil
}

// refused is an error response.
type refused struct {
	status  int
	message segmind.OptNilString
}

func (r refused) Error() string {
	if r.message.IsSet() {
		return fmt.Sprint(r.status, " ", r.message.Value)
	}
	return fmt.Sprint(r.status)
}

// failure is the error for a response that is no result.
func failure(response any, err error) error {
	var unexpected *validate.UnexpectedStatusCodeError
	switch said := response.(type) {
	case *segmind.FailureStatusCodeWithHeaders:
		return refused{said.StatusCode, said.Response.Error}
	case *segmind.Failure:
		return refused{http.StatusInternalServerError, said.Error}
	}
	if errors.As(err, &unexpected) {
		return refused{status: unexpected.StatusCode}
	}
	return err
}

func at(url, key string, doer *http.Client) *segmind.Client {
	api, err := segmind.NewClient(url, account(key), segmind.WithClient(doer))
	if err != nil {
		panic(err)
	}
	return api
}

func scenario(name string) *segmind.Client {
	return at(os.Getenv("SEGMIND_BASE_URL")+"/"+name, key, plain)
}

func safe(name string) *segmind.Client {
	return at(os.Getenv("SEGMIND_BASE_URL")+"/"+name, key, secure)
}

func submit(ctx context.Context, api *segmind.Client) (string, error) {
	response, err := api.SubmitImagen4(ctx, cabin)
	if job, ok := response.(*segmind.SubmittedJob); ok {
		return job.RequestID, nil
	}
	return "", failure(response, err)
}

func status(ctx context.Context, api *segmind.Client, id string) (string, error) {
	response, err := api.GetJobStatus(ctx, segmind.GetJobStatusParams{RequestID: segmind.RequestId(id)})
	if job, ok := response.(*segmind.JobStatus); ok {
		return job.Status.Value, nil
	}
	return "", failure(response, err)
}

func run(api *segmind.Client, deadline time.Duration) (*segmind.JobResult, error) {
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
	response, err := api.GetJobResult(ctx, segmind.GetJobResultParams{RequestID: segmind.RequestId(id)})
	if result, ok := response.(*segmind.JobResult); ok {
		return result, nil
	}
	return nil, fmt.Errorf("job %s: %w", id, failure(response, err))
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

func submitLine(name string, api *segmind.Client) {
	line(name, func() (string, error) { return submit(context.Background(), api) })
}

func runLine(name string, api *segmind.Client, deadline time.Duration) {
	line(name, func() (string, error) {
		result, err := run(api, deadline)
		if err != nil {
			return "", err
		}
		return result.Status.Value, nil
	})
}

// generate is the body of a v1 response: an image, or JSON.
func generate(ctx context.Context, name string) ([]byte, error) {
	response, err := scenario(name).GenerateImagen4(ctx, cabin)
	if generated, ok := response.(*segmind.GeneratedHeaders); ok {
		return io.ReadAll(generated.Response)
	}
	return nil, failure(response, err)
}

// submitted is the state of a job that one of the models has accepted.
func submitted(response any, err error) (string, error) {
	if job, ok := response.(*segmind.SubmittedJob); ok {
		return job.Status.Value, nil
	}
	return "", failure(response, err)
}

func main() {
	ctx := context.Background()
	line("v2 with polling", func() (string, error) {
		result, err := run(safe("v2"), time.Minute)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s, cost %v", result.Status.Value, result.Metrics.Value.Cost.Value), nil
	})
	line("v1 as JSON", func() (string, error) {
		body, err := generate(ctx, "v1-json")
		if err != nil {
			return "", err
		}
		var output segmind.JobResult
		err = json.Unmarshal(body, &output)
		return fmt.Sprintf("%d image", len(output.Images.Value)), err
	})
	line("v1 as image bytes", func() (string, error) {
		body, err := generate(ctx, "v1-image")
		if err != nil {
			return "", err
		}
		return "saved", os.WriteFile(folder+"/v1.png", body, 0o600)
	})

	models, fox := scenario("parameters"), segmind.Prompt("a red fox asleep in snow")
	people := segmind.NewOptNegativePrompt("people")
	line("parameters of imagen", func() (string, error) {
		return submitted(models.SubmitImagen(ctx, &segmind.ImagenRequest{
			Prompt: fox, AspectRatio: segmind.NewOptAspectRatio(segmind.AspectRatio34),
			PersonGeneration:  segmind.NewOptPersonGeneration(segmind.PersonGenerationDONTALLOW),
			SafetyFilterLevel: segmind.NewOptSafetyFilterLevel(segmind.SafetyFilterLevelBLOCKONLYHIGH),
		}))
	})
	line("parameters of imagen-4", func() (string, error) {
		return submitted(models.SubmitImagen4(ctx, &segmind.Imagen4Request{
			Prompt: fox, AspectRatio: segmind.NewOptAspectRatio(segmind.AspectRatio916), NegativePrompt: people,
		}))
	})
	line("parameters of imagen-4-fast", func() (string, error) {
		return submitted(models.SubmitImagen4Fast(ctx, &segmind.Imagen4FastRequest{
			Prompt: fox, Width: segmind.NewOptInt(768), Height: segmind.NewOptInt(640), Steps: segmind.NewOptInt(30),
			GuidanceScale: segmind.NewOptFloat64(8.5), NegativePrompt: people,
			Scheduler: segmind.NewOptScheduler(segmind.SchedulerEulerAncestralDiscrete), Seed: segmind.NewOptInt(7),
		}))
	})
	line("parameters of imagen-4-ultra", func() (string, error) {
		return submitted(models.SubmitImagen4Ultra(ctx, &segmind.Imagen4UltraRequest{
			Prompt: fox, Steps: segmind.NewOptInt(50), GuidanceScale: segmind.NewOptFloat64(12.25),
			Scheduler: segmind.NewOptScheduler(segmind.SchedulerLMSDiscrete), Seed: segmind.NewOptInt(-1),
			AspectRatio: segmind.NewOptAspectRatio(segmind.AspectRatio11),
		}))
	})

	line("value out of range", func() (string, error) {
		return submitted(scenario("out-of-range").SubmitImagen4Fast(ctx, &segmind.Imagen4FastRequest{
			Prompt: fox, Width: segmind.NewOptInt(2048),
		}))
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
		if err != nil || result.Metrics.IsSet() {
			return "metrics", err
		}
		return result.Status.Value + ", no metrics", nil
	})
	line("null for an optional value", func() (string, error) {
		result, err := run(safe("null-field"), time.Minute)
		if err != nil || len(result.Images.Value) > 0 {
			return "images", err
		}
		return result.Status.Value + ", no images", nil
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
