// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

const cookieName = "vmware_soap_session"

// request is one line of the log that the tests read.
type request struct {
	At     float64 `json:"at"`
	Method string  `json:"method"`
	This   string  `json:"this"`
	Action string  `json:"action"`
	Conn   string  `json:"conn"`
	Status int     `json:"status"`
	Body   string  `json:"body"`
}

type world struct {
	inner http.Handler
	host  string

	mu         sync.Mutex
	faults     map[string]*fault
	requests   []request
	violations []string
	live, dead map[string]bool // cookies
	pages      map[string]page
	away       time.Time // a server that restarts answers nobody until then
	machines   map[string]*machine
	privileges map[string]bool // that are missing
	guest      *guest
	leases     *leases
	versions   string
}

func newWorld() *world {
	return &world{faults: map[string]*fault{}, live: map[string]bool{}, dead: map[string]bool{}, pages: map[string]page{},
		machines: map[string]*machine{}, privileges: map[string]bool{}, guest: newGuest(), leases: newLeases()}
}

var start = time.Now()

func now() float64 { return time.Since(start).Seconds() }

func (w *world) violate(format string, args ...interface{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.violations = append(w.violations, fmt.Sprintf(format, args...))
}

func (w *world) note(r request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests = append(w.requests, r)
}

func (w *world) isAway() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Before(w.away)
}

// cut ends the connection without an answer.
func cut(res http.ResponseWriter) {
	if h, ok := res.(http.Hijacker); ok {
		if conn, _, err := h.Hijack(); err == nil {
			conn.Close()
		}
	}
}

func (w *world) ServeHTTP(res http.ResponseWriter, req *http.Request) {
	switch {
	case w.isAway():
		if _, ok := w.take("html", "away"); ok {
			res.WriteHeader(http.StatusServiceUnavailable)
			io.WriteString(res, "<html><body>503 Service Unavailable (Failed to connect to endpoint)</body></html>")
			return
		}
		cut(res)
	case strings.HasSuffix(req.URL.Path, "/vimServiceVersions.xml"):
		w.serveVersions(res, req)
	case strings.HasPrefix(req.URL.Path, guestPath):
		w.guest.transfer(w, res, req)
	case strings.HasPrefix(req.URL.Path, nfcPath):
		w.leases.serve(w, res, req)
	case req.URL.Path == "/sdk":
		w.serveSDK(res, req)
	default:
		w.note(request{At: now(), Method: strings.TrimPrefix(req.URL.Path, "/"), Conn: req.RemoteAddr})
		res.WriteHeader(http.StatusNotFound)
	}
}

func (w *world) serveVersions(res http.ResponseWriter, req *http.Request) {
	w.note(request{At: now(), Method: "versions", Conn: req.RemoteAddr})
	if kind, ok := w.take("hostile", "versions"); ok {
		hostile(res, kind)
		return
	}
	w.mu.Lock()
	text := w.versions
	w.mu.Unlock()
	if text == "" {
		w.inner.ServeHTTP(res, req)
		return
	}
	res.Header().Set("Content-Type", "text/xml")
	io.WriteString(res, text)
}

// offers: the versions of the document, the newest first.
func (w *world) offers(version string) bool {
	rec := httptest.NewRecorder()
	get := httptest.NewRequest("GET", "/sdk/vimServiceVersions.xml", nil)
	w.mu.Lock()
	text := w.versions
	w.mu.Unlock()
	if text == "" {
		w.inner.ServeHTTP(rec, get)
		text = rec.Body.String()
	}
	return strings.Contains(text, "<version>"+version+"</version>")
}

func (w *world) checkHead(req *http.Request) string {
	action := strings.Trim(req.Header.Get("SOAPAction"), `"`)
	switch {
	case req.Method != "POST":
		return "the method is " + req.Method
	case !strings.HasPrefix(req.Header.Get("Content-Type"), "text/xml"):
		return "the content type is " + req.Header.Get("Content-Type")
	case !strings.HasPrefix(action, "urn:vim25/"):
		return "SOAPAction is " + action
	case !w.offers(strings.TrimPrefix(action, "urn:vim25/")):
		return "Unsupported version URI \"" + action + "\""
	case req.Header.Get("Expect") != "":
		return "a 100 Continue is asked for"
	}
	return ""
}

// admitted: who has no live session may only come in.
func (w *world) admitted(method, cookie string) bool {
	if method == "RetrieveServiceContent" || method == "Login" {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead[cookie] && method != "Logout" { // whose answer was lost
		w.violations = append(w.violations, method+" after the logout")
	}
	return w.live[cookie]
}

func (w *world) serveSDK(res http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(io.LimitReader(req.Body, 4<<20))
	if err != nil {
		return
	}
	cookie := ""
	if c, err := req.Cookie(cookieName); err == nil {
		cookie = c.Value
	}
	m, wrong := strict(body)
	name := "?"
	if m != nil {
		name = m.XMLName.Local
	}
	rec := httptest.NewRecorder()
	if head := w.checkHead(req); head != "" {
		w.violate("%s: %s", name, head)
		writeFault(rec, head, &types.InvalidRequest{})
	} else if wrong != nil {
		w.violate("%s: %v", name, wrong)
		writeFault(rec, wrong.Error(), &types.InvalidRequest{})
	} else {
		line := request{At: now(), Method: name, Action: req.Header.Get("SOAPAction"), Conn: req.RemoteAddr, Body: redact(body)}
		if len(m.Children) > 0 {
			line.This = m.Children[0].Text
		}
		w.note(line)
		if !w.before(res, rec, name, cookie) {
			return
		}
		if rec.Body.Len() == 0 {
			w.answer(rec, req, body, name, cookie)
		}
	}
	w.after(res, rec, name)
}

func redact(body []byte) string {
	text := string(body)
	for _, tag := range []string{"password"} {
		from, to := strings.Index(text, "<"+tag+">"), strings.Index(text, "</"+tag+">")
		if from >= 0 && to > from {
			text = text[:from] + text[to:]
		}
	}
	return text
}

// before applies the switches that keep the method from being called. False: nothing is to be answered.
func (w *world) before(res http.ResponseWriter, rec *httptest.ResponseRecorder, name, cookie string) bool {
	if _, ok := w.take("drop-before", name); ok {
		cut(res)
		return false
	}
	if text, ok := w.take("restart", name); ok {
		w.restart(seconds(text))
		cut(res)
		return false
	}
	if text, ok := w.take("slow", name); ok {
		time.Sleep(seconds(text))
	}
	if _, ok := w.take("expire", name); ok {
		w.mu.Lock()
		w.live = map[string]bool{}
		w.mu.Unlock()
	}
	if text, ok := w.take("http", name); ok {
		status := 503
		fmt.Sscan(text, &status)
		res.Header().Set("Location", "https://"+w.host+"/elsewhere") // of a 302
		res.WriteHeader(status)
		io.WriteString(res, "<html><body>no such luck</body></html>")
		return false
	}
	if kind, ok := w.take("hostile", name); ok {
		hostile(res, kind)
		return false
	}
	if !w.admitted(name, cookie) {
		writeFault(rec, "The session is not authenticated.", &types.NotAuthenticated{
			NoPermission: types.NoPermission{Object: simulator.Map.Any("VirtualMachine").Reference(), PrivilegeId: "System.View"}})
		return true
	}
	if kind, ok := w.take("fault", name); ok {
		writeFault(rec, "pretended "+kind, faultOf(kind))
	}
	return true
}

func faultOf(kind string) types.BaseMethodFault {
	t, ok := types.TypeFunc()(kind)
	if !ok {
		return &types.SystemError{}
	}
	f, ok := reflect.New(t).Interface().(types.BaseMethodFault)
	if !ok {
		return &types.SystemError{}
	}
	if p, ok := f.(*types.NoPermission); ok {
		p.PrivilegeId = "VirtualMachine.State.CreateSnapshot"
	}
	return f
}

func (w *world) answer(rec *httptest.ResponseRecorder, req *http.Request, body []byte, name, cookie string) {
	method, err := simulator.UnmarshalBody(types.TypeFunc(), body)
	if err != nil {
		writeFault(rec, err.Error(), &types.InvalidRequest{})
		return
	}
	inner := req.Clone(context.WithValue(req.Context(), bodyKey{}, body))
	if text, ok := w.take("late", name); ok { // it begins when nobody waits for it any more
		w.command([]byte(`{"op": "fault", "kind": "drop-after", "about": "` + name + `", "times": 1}`))
		go func() {
			time.Sleep(seconds(text))
			w.own(httptest.NewRecorder(), inner, method)
		}()
		return
	}
	if w.own(rec, inner, method) {
		return
	}
	inner.Body = io.NopCloser(bytes.NewReader(body))
	w.inner.ServeHTTP(rec, inner)
	w.keepSession(rec, name, cookie)
}

func (w *world) keepSession(rec *httptest.ResponseRecorder, name, cookie string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if name == "Login" && rec.Code == 200 {
		for _, c := range rec.Result().Cookies() {
			w.live[c.Value] = true
		}
	}
	if name == "Logout" && rec.Code == 200 {
		delete(w.live, cookie)
		w.dead[cookie] = true
	}
}

// after hands the answer over, in the shape that is asked for.
func (w *world) after(res http.ResponseWriter, rec *httptest.ResponseRecorder, name string) {
	w.mu.Lock()
	if n := len(w.requests); n > 0 {
		w.requests[n-1].Status = rec.Code
	}
	w.mu.Unlock()
	if text, ok := w.take("slow-after", name); ok {
		time.Sleep(seconds(text))
	}
	if _, ok := w.take("drop-after", name); ok {
		cut(res)
		return
	}
	for key, values := range rec.Header() {
		if _, ok := w.look("shape", "cookies"); ok && key == "Set-Cookie" { // of what stands before the server
			values = append([]string{"balancer=node-1; Path=/"}, values...)
		}
		res.Header()[key] = values
	}
	res.Header().Set("Content-Type", "text/xml; charset=utf-8")
	text := w.shape(name, rec.Body.String())
	res.Header().Set("Content-Length", fmt.Sprint(len(text)))
	res.WriteHeader(rec.Code)
	io.WriteString(res, text)
}

// ---- answers of our own ---------------------------------------------------------------------------------

const envelopeHead = xml.Header + `<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"` +
	` xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>`
const envelopeTail = `</soapenv:Body></soapenv:Envelope>`

func writeResult(rec *httptest.ResponseRecorder, name string, result interface{}) {
	var out bytes.Buffer
	e := xml.NewEncoder(&out)
	_ = e.EncodeElement(result, xml.StartElement{Name: xml.Name{Space: vimSpace, Local: name + "Response"}})
	_ = e.Flush()
	rec.WriteHeader(200)
	io.WriteString(rec, envelopeHead+out.String()+envelopeTail)
}

func writeFault(rec *httptest.ResponseRecorder, text string, fault types.BaseMethodFault) {
	var out, words bytes.Buffer
	kind := reflect.TypeOf(fault).Elem().Name()
	e := xml.NewEncoder(&out)
	_ = e.EncodeElement(fault, xml.StartElement{Name: xml.Name{Local: kind + "Fault"}, Attr: []xml.Attr{
		{Name: xml.Name{Local: "xmlns"}, Value: vimSpace}, {Name: xml.Name{Local: "xsi:type"}, Value: kind}}})
	_ = e.Flush()
	_ = xml.EscapeText(&words, []byte(text))
	rec.WriteHeader(500)
	io.WriteString(rec, envelopeHead+`<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>`+words.String()+
		`</faultstring><detail>`+out.String()+`</detail></soapenv:Fault>`+envelopeTail)
}
