// Package acrtest is a stand-in for the API of Container Registry, which gives
// logins to its registries, for tests. It is written from its documentation and
// has never met the real one; it checks every signature by itself.
package acrtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/imgbuild/imgbuild/pkg/openapi/openapitest"
)

// Cloud answers for every region. Mu guards the fields while requests are under
// way.
type Cloud struct {
	*openapitest.Verifier

	Mu        sync.Mutex
	Instances []string      // names of the enterprise edition's, in one region
	Life      time.Duration // of a login
	Asked     []string      // "host action", of each request
	Logins    int           // given so far
	// Fail answers in the place of the API where it returns a status.
	Fail func(action string) (status int, body string)
}

// New returns an API without instances, whose logins last an hour.
func New() *Cloud { return &Cloud{Verifier: openapitest.NewVerifier(), Life: time.Hour} }

func (c *Cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	action := r.Header.Get("X-Acs-Action")
	c.Asked = append(c.Asked, r.Host+" "+action)
	if c.Fail != nil {
		if status, body := c.Fail(action); status != 0 {
			w.WriteHeader(status)
			io.WriteString(w, body)
			return
		}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if code, canonical := c.Check(r, body); code != "" {
		// As the cloud does, with all that was signed.
		openapitest.Refuse(w, http.StatusBadRequest, code, "Specified signature is not matched with our calculation. server's CanonicalRequest is "+canonical)
		return
	}
	expires := time.Now().Add(c.Life).UnixMilli()
	q := r.URL.Query()
	switch version := r.Header.Get("X-Acs-Version"); {
	case version == "2016-06-07" && r.Method == "GET" && r.URL.Path == "/tokens":
		c.Logins++
		fmt.Fprintf(w, `{"data":{"tempUserName":"cr_temp_user","authorizationToken":"login-s3cret-%d","expireDate":%d},"requestId":"R-1"}`, c.Logins, expires)
	case version == "2018-12-01" && r.Method == "POST" && r.URL.Path == "/" && action == "ListInstance":
		page, _ := strconv.Atoi(q.Get("PageNo"))
		size, _ := strconv.Atoi(q.Get("PageSize"))
		var items []map[string]string
		for i := (page - 1) * size; i < min(page*size, len(c.Instances)); i++ {
			items = append(items, map[string]string{"InstanceId": "cri-" + strconv.Itoa(i), "InstanceName": c.Instances[i], "InstanceStatus": "RUNNING"})
		}
		json.NewEncoder(w).Encode(map[string]any{"IsSuccess": true, "Code": "success", "Instances": items, "TotalCount": len(c.Instances), "PageNo": page})
	case version == "2018-12-01" && r.Method == "POST" && r.URL.Path == "/" && action == "GetAuthorizationToken" && strings.HasPrefix(q.Get("InstanceId"), "cri-"):
		c.Logins++
		fmt.Fprintf(w, `{"IsSuccess":true,"Code":"success","TempUsername":"cr_temp_user","AuthorizationToken":"login-s3cret-%d","ExpireTime":%d,"RequestId":"R-2"}`, c.Logins, expires)
	default:
		openapitest.Refuse(w, http.StatusNotFound, "InvalidAction.NotFound", "Specified api is not found")
	}
}
