// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

var (
	simTyped = regexp.MustCompile(`<(\w+)(?: xmlns:XMLSchema-instance="[^"]*")? XMLSchema-instance:type="([^"]*)"( type="[^"]*")?`)
	simRef   = regexp.MustCompile(`<(\w+) type="([^"]*)"(?: xmlns:XMLSchema-instance="[^"]*")? XMLSchema-instance:type="([^"]*)"`)
	reason   = regexp.MustCompile(`(?s)<changeSet><name>info\.error</name>.*?</changeSet>`)
	object   = regexp.MustCompile(`(?s)<objects>.*?</objects>`)
)

// shape: the same answer in other words. "xsi-first", "xsi-last": the prefix xsi, and its attribute before or behind the other type;
// "nil": an unset property as xsi:nil. "state-first": updates that tell of a task's end, and not yet why. "missing": a property
// that is not shown.
func (w *world) shape(name, text string) string {
	if _, ok := w.look("shape", "xsi-first"); ok {
		text = simTyped.ReplaceAllString(text, `<$1 xsi:type="$2"$3`)
		text = simRef.ReplaceAllString(text, `<$1 xsi:type="$3" type="$2"`)
	}
	if _, ok := w.look("shape", "xsi-last"); ok {
		text = simTyped.ReplaceAllString(text, `<$1$3 xsi:type="$2"`)
		text = simRef.ReplaceAllString(text, `<$1 type="$2" xsi:type="$3"`)
	}
	if unset, ok := w.look("shape", "nil"); ok && name == "RetrievePropertiesEx" {
		text = strings.ReplaceAll(text, `</propSet></objects>`, `</propSet><propSet><name>`+unset+`</name><val xsi:nil="true"/></propSet></objects>`)
	}
	if _, ok := w.look("shape", "state-first"); ok && name == "WaitForUpdatesEx" {
		text = reason.ReplaceAllString(text, "")
	}
	for _, kind := range []string{"NoPermission", "InvalidProperty"} {
		if path, ok := w.look("missing", kind); ok && name == "RetrievePropertiesEx" && strings.Contains(text, "<name>"+path+"</name>") {
			propSet := regexp.MustCompile(`<propSet><name>` + regexp.QuoteMeta(path) + `</name>.*?</propSet>`)
			text = propSet.ReplaceAllString(text, "")
			text = strings.ReplaceAll(text, `</objects>`, `<missingSet><path>`+path+`</path><fault><fault xsi:type="`+kind+
				`"><privilegeId>System.Read</privilegeId></fault><localizedMessage>hidden</localizedMessage></fault></missingSet></objects>`)
		}
	}
	return text
}

// hostile answers as no vCenter would.
func hostile(res http.ResponseWriter, kind string) {
	res.Header().Set("Content-Type", "text/xml; charset=utf-8")
	const head = `<?xml version="1.0" encoding="UTF-8"?>`
	body := func(inside string) string {
		return head + `<soapenv:Envelope xmlns:soapenv="` + soapSpace + `"><soapenv:Body>` + inside + `</soapenv:Body></soapenv:Envelope>`
	}
	switch kind {
	case "entities":
		io.WriteString(res, head+`<!DOCTYPE a [<!ENTITY a "aaaaaaaaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">`+
			`<!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;"><!ENTITY e "&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;"><!ENTITY f "&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;">]>`+
			`<a>&f;&f;&f;&f;&f;&f;&f;&f;</a>`)
	case "external":
		io.WriteString(res, head+`<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><a>&a;</a>`)
	case "depth":
		io.WriteString(res, body(strings.Repeat("<a>", 100000)+strings.Repeat("</a>", 100000)))
	case "depth-small":
		io.WriteString(res, body(strings.Repeat("<a>", 200)+strings.Repeat("</a>", 200)))
	case "size":
		io.WriteString(res, head+"<a>")
		for i := 0; i < 1<<16; i++ {
			if _, err := res.Write(bytes.Repeat([]byte("x"), 1<<14)); err != nil {
				return
			}
		}
	case "cut":
		io.WriteString(res, body("<a>")[:140])
	case "html":
		res.Header().Set("Content-Type", "text/html")
		io.WriteString(res, "<html><body>Please log in</body></html>")
	case "empty":
	case "no-body":
		io.WriteString(res, head+`<soapenv:Envelope xmlns:soapenv="`+soapSpace+`"/>`)
	case "no-news": // before the time is over that it was asked to wait
		io.WriteString(res, body(`<WaitForUpdatesExResponse xmlns="urn:vim25"></WaitForUpdatesExResponse>`))
	case "other":
		io.WriteString(res, body(`<SomethingElseResponse xmlns="urn:vim25"><returnval>1</returnval></SomethingElseResponse>`))
	}
}

// ---- pages --------------------------------------------------------------------------------------------------

// page is what is left of a result that was told in part.
type page struct {
	objects []string
}

// paged cuts an answer after so many objects; the rest is to be had by a token.
func (w *world) paged(rec *httptest.ResponseRecorder, name string, objects []string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	token := ""
	if len(objects) > n {
		token = fmt.Sprintf("page-%d", len(w.requests))
		w.pages[token] = page{objects: objects[n:]}
		objects = objects[:n]
		token = "<token>" + token + "</token>"
	}
	rec.WriteHeader(200)
	io.WriteString(rec, envelopeHead+"<"+name+`Response xmlns="urn:vim25"><returnval>`+token+strings.Join(objects, "")+
		"</returnval></"+name+"Response>"+envelopeTail)
}

func (w *world) pageOrGuest(rec *httptest.ResponseRecorder, req *http.Request, method *simulator.Method) bool {
	switch m := method.Body.(type) {
	case *types.ContinueRetrievePropertiesEx:
		w.mu.Lock()
		p, ok := w.pages[m.Token]
		delete(w.pages, m.Token)
		w.mu.Unlock()
		if !ok {
			writeFault(rec, "", &types.InvalidProperty{Name: "token"})
			return true
		}
		w.paged(rec, method.Name, p.objects, w.pageOf(0))
		return true
	case *types.RetrievePropertiesEx:
		n := w.pageOf(int(m.Options.MaxObjects))
		if n == 0 {
			return false
		}
		whole := httptest.NewRecorder()
		w.inner.ServeHTTP(whole, again(req))
		if whole.Code != 200 {
			rec.WriteHeader(whole.Code)
			io.WriteString(rec, whole.Body.String())
			return true
		}
		text := whole.Body.String()
		objects := object.FindAllString(text, -1)
		w.paged(rec, method.Name, objects, n)
		return true
	}
	return w.guest.own(w, rec, method)
}

// pageOf: a server may cut where nobody asked it to.
func (w *world) pageOf(asked int) int {
	if text, ok := w.look("page", "*"); ok {
		fmt.Sscan(text, &asked)
	}
	if asked == 0 {
		return 1 << 30
	}
	return asked
}

// again is the same request without a limit, which the simulator does not keep.
func again(req *http.Request) *http.Request {
	inner := req.Clone(req.Context())
	inner.Body = io.NopCloser(bytes.NewReader(req.Context().Value(bodyKey{}).([]byte)))
	return inner
}

type bodyKey struct{}
