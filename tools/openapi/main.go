// Command openapi sends requests with the vendor's generic client of Alibaba
// Cloud's OpenAPIs: tests compare their idea of a signature with it.
//
//	openapi HOST:PORT <calls.json
//
// Credentials are in ALIBABA_CLOUD_ACCESS_KEY_ID, …_SECRET and
// ALIBABA_CLOUD_SECURITY_TOKEN. Each call gets a line: its action, and the
// status or the code of the refusal.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/alibabacloud-go/darabonba-openapi/v2/client"
	"github.com/alibabacloud-go/darabonba-openapi/v2/utils"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/alibabacloud-go/tea/tea"
)

type call struct {
	Action, Method, Version, Path string
	Body                          map[string]any
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "openapi:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: openapi HOST:PORT <calls.json")
	}
	var calls []call
	if err := json.NewDecoder(os.Stdin).Decode(&calls); err != nil {
		return err
	}
	config := &utils.Config{
		AccessKeyId:     dara.String(os.Getenv("ALIBABA_CLOUD_ACCESS_KEY_ID")),
		AccessKeySecret: dara.String(os.Getenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET")),
		Endpoint:        dara.String(args[0]),
		Protocol:        dara.String("HTTP"),
	}
	if token := os.Getenv("ALIBABA_CLOUD_SECURITY_TOKEN"); token != "" {
		config.SecurityToken = dara.String(token)
	}
	c, err := client.NewClient(config)
	if err != nil {
		return err
	}
	for _, x := range calls {
		params := &utils.Params{
			Action: dara.String(x.Action), Version: dara.String(x.Version), Protocol: dara.String("HTTP"), Pathname: dara.String(x.Path),
			Method: dara.String(x.Method), AuthType: dara.String("AK"), Style: dara.String("ROA"), ReqBodyType: dara.String("json"), BodyType: dara.String("json"),
		}
		request := &utils.OpenApiRequest{}
		if x.Body != nil {
			request.Body = x.Body
		}
		answer, err := c.CallApi(params, request, &dara.RuntimeOptions{})
		if err == nil {
			fmt.Println(x.Action, answer["statusCode"])
			continue
		}
		var refused *tea.SDKError
		if !errors.As(err, &refused) {
			return fmt.Errorf("%s: %w", x.Action, err)
		}
		fmt.Println(x.Action, tea.StringValue(refused.Code))
	}
	return nil
}
