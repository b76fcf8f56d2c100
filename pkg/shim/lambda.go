package shim

import (
	"context"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/lambda"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// lambdaVariable is where AWS Lambda says that it is to be polled. There the
// shim has no port of its own: it would never be called.
const lambdaVariable = "AWS_LAMBDA_RUNTIME_API"

// onLambda says whether this is AWS Lambda, or an emulator of it.
func (s *supervisor) onLambda() bool { return s.env.Get(lambdaVariable) != "" }

func (s *supervisor) lambda() *lambda.Client {
	return lambda.New(lambda.Options{API: s.env.Get(lambdaVariable), Handler: s.front, Getenv: s.env.Get,
		Stream: s.settings.LambdaStream, Say: s.log.Say})
}

// poll takes events from Lambda until the container ends.
func (s *supervisor) poll() {
	if err := s.lambda().Run(s.running); err != nil {
		s.fail(err)
	}
}

// notOnLambda tells Lambda that the function cannot start, and why.
func (s *supervisor) notOnLambda(f *message.Failure) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := s.lambda().InitError(ctx, f); err != nil {
		s.log.Say("telling Lambda that the function cannot start: %v", err)
	}
}
