// Package waiting has what a generator cannot know: how to wait for a job, and what may be sent again.
package waiting

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

var ErrNotSent, ErrMaybeAccepted = errors.New("the service was not reached"), errors.New("may have been accepted")

// Wait polls until the job has completed, or until the deadline of the context with which status calls the service.
func Wait(ctx context.Context, interval time.Duration, status func(context.Context) (string, error)) error {
	for ; ; time.Sleep(interval) {
		if state, err := status(ctx); err != nil || state == "COMPLETED" {
			return err
		}
	}
}

// Transport repeats a GET until the deadline of its context, and a POST three times where that cannot pay twice.
type Transport struct{ http.RoundTripper }

func (t Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	for attempt, post := 1, request.Method == http.MethodPost; ; attempt++ {
		if request.GetBody != nil {
			request.Body, _ = request.GetBody()
		}
		code, header, body, said, dial := 0, http.Header{}, []byte{}, map[string]any{}, &net.OpError{}
		response, err := t.RoundTripper.RoundTrip(request)
		if err == nil {
			code, header = response.StatusCode, response.Header
			body, err = io.ReadAll(response.Body)
			response.Body = io.NopCloser(bytes.NewReader(body))
		}
		garbled, isJSON := json.Unmarshal(body, &said) != nil, header.Get("Content-Type") == "application/json"
		own := said["error"] != nil && said["request_id"] == nil && said["cost"] == nil && code != 501 && code < 504
		unsent, failed := errors.As(err, &dial) && dial.Op == "dial", err != nil || code == 429 || code >= 500 || !post && code == 408
		if post && !unsent && (failed && !own || code == 200 && garbled && isJSON) {
			return nil, fmt.Errorf("%w (status %d, error %v)", ErrMaybeAccepted, code, err)
		} else if unsent {
			err = fmt.Errorf("%w: %w", ErrNotSent, err)
		}
		wait := time.Duration(rand.Int64N(int64(250*time.Millisecond) << min(attempt, 7)))
		now, _ := http.ParseTime(header.Get("Date"))
		if reset, bad := time.Parse(time.RFC3339, header.Get("x-rate-limit-reset-at-utc")); bad == nil && code == 429 {
			wait = max(0, reset.Sub(now))
		}
		if end, limited := request.Context().Deadline(); !failed || post && attempt == 4 || limited && time.Now().Add(wait).After(end) {
			return response, err
		}
		time.Sleep(wait)
	}
}
