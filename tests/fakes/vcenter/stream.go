// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// virtualSize of an image file in bytes.
func virtualSize(path string) (int64, error) {
	out, err := exec.Command("qemu-img", "info", "--output=json", path).Output()
	if err != nil {
		return 0, err
	}
	var info struct {
		Size int64 `json:"virtual-size"`
	}
	return info.Size, json.Unmarshal(out, &info)
}

// pack is the file as the server sends it; one that is a VMDK stream already is taken as it is.
func (l *leases) pack(path string) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if strings.HasSuffix(path, ".vmdk") {
		return path, nil
	}
	if l.packed[path] != "" {
		return l.packed[path], nil
	}
	to := filepath.Join(l.dir, fmt.Sprintf("%d.vmdk", len(l.packed)))
	out, err := exec.Command("qemu-img", "convert", "-O", "vmdk", "-o", "subformat=streamOptimized", path, to+".qemu").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %s", err, out)
	}
	if err := restream(to+".qemu", to); err != nil {
		return "", fmt.Errorf("%s: %s", to, err)
	}
	l.packed[path] = to
	return to, os.Remove(to + ".qemu")
}

// find the file that a URL of a lease stands for.
func (l *leases) file(path string) (*lease, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range l.all {
		if one.End == "" && one.urls[path] != "" {
			return one, one.urls[path]
		}
	}
	return nil, ""
}

// refuse what a real host refuses, or what nobody has to ask for. 0: nothing.
func (l *leases) refuse(w *world, req *http.Request) int {
	own := req.Host == w.host
	c, err := req.Cookie(cookieName)
	w.mu.Lock()
	known := err == nil && w.live[c.Value]
	w.mu.Unlock()
	switch {
	case req.Method != "GET" || req.Header.Get("Range") != "":
		w.violate("a disk is asked for by %s, range '%s'", req.Method, req.Header.Get("Range"))
		return http.StatusInternalServerError
	case own && !known:
		w.violate("a disk is asked for without a session")
		return http.StatusUnauthorized
	}
	return 0
}

func (l *leases) serve(w *world, res http.ResponseWriter, req *http.Request) {
	w.note(request{At: now(), Method: "nfc", This: req.URL.Path, Conn: req.RemoteAddr})
	status := l.refuse(w, req)
	one, file := l.file(req.URL.Path)
	if text, ok := w.take("http", "nfc"); ok && status == 0 {
		status = 503
		fmt.Sscan(text, &status)
		res.Header().Set("Location", "https://"+w.host+"/elsewhere") // of a 302
	} else if one == nil && status == 0 {
		status = http.StatusNotFound
	}
	if status != 0 {
		res.WriteHeader(status)
		io.WriteString(res, "<html><body>no such luck</body></html>")
		return
	}
	packed, err := l.pack(file)
	if err == nil {
		var f *os.File
		if f, err = os.Open(packed); err == nil {
			defer f.Close()
			l.send(w, res, req, one, f)
			return
		}
	}
	w.violate("%v", err)
	res.WriteHeader(http.StatusInternalServerError)
}

// marred is a stream with what may befall it.
type marred struct {
	cut, short, stall, flip int64 // behind so many bytes; -1: not
	lose                    int64 // this grain of the first table; -1: none
	slow                    time.Duration
	larger                  bool // its header names another disk
}

func (w *world) mar() marred {
	number := func(kind string) int64 {
		n := int64(-1)
		if text, ok := w.take(kind, "nfc"); ok {
			fmt.Sscan(text, &n)
		}
		return n
	}
	m := marred{cut: number("cut"), short: number("short"), stall: number("stall"), flip: number("flip"), lose: number("lose")}
	if text, ok := w.look("slow", "nfc"); ok {
		m.slow = seconds(text)
	}
	_, m.larger = w.take("wrong-capacity", "nfc")
	return m
}

func within(at, from int64, n int) bool { return at >= from && at < from+int64(n) }

// send: without a length, for nobody knows it before the end.
func (l *leases) send(w *world, res http.ResponseWriter, req *http.Request, one *lease, f *os.File) {
	m := w.mar()
	buf := make([]byte, 64<<10)
	var from io.Reader = f
	if m.lose >= 0 {
		lossy, err := without(f, m.lose)
		if err != nil {
			w.violate("%v", err)
			return
		}
		from = lossy
	}
	res.Header().Set("Content-Type", "application/x-vnd.vmware-streamVmdk")
	for at := int64(0); ; {
		n, err := io.ReadFull(from, buf)
		select {
		case <-one.over: // of an ended lease nothing more is to be had
			panic(http.ErrAbortHandler)
		default:
		}
		piece := buf[:n]
		if at == 0 && m.larger {
			binary.LittleEndian.PutUint64(piece[12:], binary.LittleEndian.Uint64(piece[12:])+128)
		}
		if within(m.flip, at, n) {
			piece[m.flip-at] ^= 1
		}
		for _, end := range []int64{m.cut, m.short, m.stall} {
			if within(end, at, n) {
				piece = piece[:end-at]
			}
		}
		if _, gone := res.Write(piece); gone != nil {
			return
		}
		res.(http.Flusher).Flush()
		switch {
		case within(m.cut, at, n):
			panic(http.ErrAbortHandler)
		case within(m.short, at, n):
			return
		case within(m.stall, at, n):
			select {
			case <-one.over:
			case <-req.Context().Done():
			}
			panic(http.ErrAbortHandler)
		case err != nil:
			return
		}
		at += int64(n)
		time.Sleep(m.slow)
	}
}
