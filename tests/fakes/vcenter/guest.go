// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	guestPath     = "/guestFile"
	guestUser     = "root"
	guestPassword = "guest-secret"
)

// system is the operating system in the VM: pretended (here.go), or a real one (real.go).
type system interface {
	alive() bool                       // answers
	start(words string) (int64, error) // by a shell
	poll(pid int64) (status int32, ended bool)
	kill(pid int64) // as VMware Tools do it: this one process, politely first; what it started lives on
	size(path string) (int64, error)
	read(path string) ([]byte, error)
	takes(path string) error // a file can be written there
	write(path string, data []byte) error
	makeDir(prefix, suffix string) (string, error)
	removeDir(path string) error
	end()
}

// guest: the API's view of it.
type guest struct {
	system
	mu        sync.Mutex
	processes map[int64]*types.GuestProcessInfo
	transfers map[string]string // token: path
	tokens    int
}

func newGuest() *guest {
	return &guest{system: newHere(), processes: map[int64]*types.GuestProcessInfo{}, transfers: map[string]string{}}
}

// admit: what is asked of a guest needs a VM that runs, Tools, and a guest account.
func (g *guest) admit(w *world, rec *httptest.ResponseRecorder, ref types.ManagedObjectReference, auth types.BaseGuestAuthentication) bool {
	vm, ok := simulator.Map.Get(ref).(*simulator.VirtualMachine)
	account, isPassword := auth.(*types.NamePasswordAuthentication)
	switch {
	case !ok:
		gone(rec, ref)
	case vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn:
		writeFault(rec, "", &types.InvalidPowerState{RequestedState: "poweredOn", ExistingState: vm.Runtime.PowerState})
	case vm.Guest.ToolsRunningStatus != "guestToolsRunning":
		writeFault(rec, "The guest operations agent could not be contacted.", &types.GuestOperationsUnavailable{})
	case !isPassword || account.Username != guestUser || account.Password != guestPassword:
		writeFault(rec, "Failed to authenticate with the guest operating system using the supplied credentials.", &types.InvalidGuestLogin{})
	case !g.alive():
		writeFault(rec, "The guest operations agent could not be contacted.", &types.GuestOperationsUnavailable{})
	default:
		return true
	}
	return false
}

func (g *guest) begin(spec *types.GuestProgramSpec) (int64, error) {
	words := spec.ProgramPath + " " + spec.Arguments
	pid, err := g.start(words)
	if err != nil {
		return 0, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.processes[pid] = &types.GuestProcessInfo{Name: filepath.Base(spec.ProgramPath), Pid: pid, Owner: guestUser, CmdLine: words, StartTime: time.Now()}
	return pid, nil
}

func (g *guest) list(pids []int64) []types.GuestProcessInfo {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []types.GuestProcessInfo
	for _, pid := range pids {
		p := g.processes[pid]
		if p == nil {
			continue
		}
		if p.EndTime == nil {
			if status, ended := g.poll(pid); ended {
				now := time.Now()
				p.ExitCode, p.EndTime = status, &now
			}
		}
		all = append(all, *p)
	}
	return all
}

func (g *guest) url(path string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tokens++
	token := fmt.Sprintf("t%d", g.tokens)
	g.transfers[token] = path
	return "https://*" + guestPath + path + "?id=1&token=" + token
}

// transfer: the URL of one file, good once.
func (g *guest) transfer(w *world, res http.ResponseWriter, req *http.Request) {
	token := req.URL.Query().Get("token")
	g.mu.Lock()
	path, ok := g.transfers[token]
	delete(g.transfers, token)
	g.mu.Unlock()
	w.note(request{At: now(), Method: req.Method + " file", This: path, Conn: req.RemoteAddr})
	if _, cutIt := w.take("drop-before", "file"); cutIt {
		cut(res)
		return
	}
	if !ok || req.Header.Get("Cookie") != "" || req.Header.Get("Authorization") != "" {
		res.WriteHeader(http.StatusForbidden)
		return
	}
	if req.Method == "GET" {
		data, err := g.read(path)
		if err != nil {
			res.WriteHeader(http.StatusNotFound)
			return
		}
		res.Header().Set("Content-Length", fmt.Sprint(len(data)))
		_, _ = io.Copy(res, bytes.NewReader(data))
		return
	}
	if req.ContentLength < 0 {
		res.WriteHeader(http.StatusInternalServerError) // chunks are not taken
		return
	}
	data, _ := io.ReadAll(req.Body)
	if g.write(path, data) != nil {
		res.WriteHeader(http.StatusInternalServerError)
	}
}

func failFile(rec *httptest.ResponseRecorder, path string, err error) {
	switch {
	case os.IsPermission(err):
		writeFault(rec, "", &types.GuestPermissionDenied{})
	case os.IsNotExist(err):
		f := &types.FileNotFound{}
		f.File = path
		writeFault(rec, "File "+path+" was not found", f)
	default:
		writeFault(rec, err.Error(), &types.GuestOperationsUnavailable{})
	}
}

// own: the methods of the guest's managers; false: none of them.
func (g *guest) own(w *world, rec *httptest.ResponseRecorder, method *simulator.Method) bool {
	switch m := method.Body.(type) {
	case *types.StartProgramInGuest:
		if g.admit(w, rec, m.Vm, m.Auth) {
			spec := m.Spec.GetGuestProgramSpec()
			pid := int64(0)
			_, err := g.size(spec.ProgramPath)
			if err == nil {
				pid, err = g.begin(spec)
			}
			if err != nil {
				failFile(rec, spec.ProgramPath, err)
				return true
			}
			writeResult(rec, method.Name, &types.StartProgramInGuestResponse{Returnval: pid})
		}
	case *types.ListProcessesInGuest:
		if g.admit(w, rec, m.Vm, m.Auth) {
			writeResult(rec, method.Name, &types.ListProcessesInGuestResponse{Returnval: g.list(m.Pids)})
		}
	case *types.TerminateProcessInGuest:
		if g.admit(w, rec, m.Vm, m.Auth) {
			g.kill(m.Pid)
			writeResult(rec, method.Name, &types.TerminateProcessInGuestResponse{})
		}
	case *types.ValidateCredentialsInGuest:
		if g.admit(w, rec, m.Vm, m.Auth) {
			writeResult(rec, method.Name, &types.ValidateCredentialsInGuestResponse{})
		}
	default:
		return g.ownFiles(w, rec, method)
	}
	return true
}

func (g *guest) ownFiles(w *world, rec *httptest.ResponseRecorder, method *simulator.Method) bool {
	switch m := method.Body.(type) {
	case *types.InitiateFileTransferFromGuest:
		if !g.admit(w, rec, m.Vm, m.Auth) {
			return true
		}
		size, err := g.size(m.GuestFilePath)
		if err != nil {
			failFile(rec, m.GuestFilePath, err)
			return true
		}
		writeResult(rec, method.Name, &types.InitiateFileTransferFromGuestResponse{Returnval: types.FileTransferInformation{
			Attributes: &types.GuestPosixFileAttributes{}, Size: size, Url: g.url(m.GuestFilePath)}})
	case *types.InitiateFileTransferToGuest:
		if !g.admit(w, rec, m.Vm, m.Auth) {
			return true
		}
		if err := g.takes(m.GuestFilePath); err != nil {
			failFile(rec, m.GuestFilePath, err)
			return true
		}
		writeResult(rec, method.Name, &types.InitiateFileTransferToGuestResponse{Returnval: g.url(m.GuestFilePath)})
	case *types.CreateTemporaryDirectoryInGuest:
		if !g.admit(w, rec, m.Vm, m.Auth) {
			return true
		}
		dir, err := g.makeDir(m.Prefix, m.Suffix)
		if err != nil {
			failFile(rec, "/tmp", err)
			return true
		}
		writeResult(rec, method.Name, &types.CreateTemporaryDirectoryInGuestResponse{Returnval: dir})
	case *types.DeleteDirectoryInGuest:
		if g.admit(w, rec, m.Vm, m.Auth) {
			if m.Recursive {
				_ = g.removeDir(m.DirectoryPath)
			}
			writeResult(rec, method.Name, &types.DeleteDirectoryInGuestResponse{})
		}
	default:
		return false
	}
	return true
}
