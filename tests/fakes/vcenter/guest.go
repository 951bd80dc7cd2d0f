// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	guestPath     = "/guestFile"
	guestUser     = "root"
	guestPassword = "guest-secret"
)

// guest: the operating system in each VM, pretended by this machine: programs run here, by bash as VMware Tools start them on
// Linux, and files are those of this machine, below /tmp and /etc.
type guest struct {
	mu        sync.Mutex
	processes map[int64]*types.GuestProcessInfo
	killed    map[int64]*exec.Cmd
	transfers map[string]string // token: path
	tokens    int
	folders   []string // that were asked for: who was killed has left them
}

func newGuest() *guest {
	return &guest{processes: map[int64]*types.GuestProcessInfo{}, killed: map[int64]*exec.Cmd{}, transfers: map[string]string{}}
}

func (g *guest) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for pid, c := range g.killed {
		if g.processes[pid].EndTime == nil {
			_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		}
	}
	for _, dir := range g.folders {
		_ = os.RemoveAll(dir)
	}
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
	default:
		return true
	}
	return false
}

func (g *guest) start(spec *types.GuestProgramSpec) int64 {
	words := spec.ProgramPath + " " + spec.Arguments
	c := exec.Command("/bin/bash", "-c", words)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		return 0
	}
	pid := int64(c.Process.Pid)
	info := &types.GuestProcessInfo{Name: filepath.Base(spec.ProgramPath), Pid: pid, Owner: guestUser, CmdLine: words, StartTime: time.Now()}
	g.mu.Lock()
	g.processes[pid], g.killed[pid] = info, c
	g.mu.Unlock()
	go func() {
		err := c.Wait()
		end := time.Now()
		g.mu.Lock()
		defer g.mu.Unlock()
		if exit, ok := err.(*exec.ExitError); ok {
			info.ExitCode = int32(exit.ExitCode())
			if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
				info.ExitCode = 128 + int32(status.Signal())
			}
		}
		info.EndTime = &end
	}()
	return pid
}

func (g *guest) list(pids []int64) []types.GuestProcessInfo {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []types.GuestProcessInfo
	for _, pid := range pids {
		if p := g.processes[pid]; p != nil {
			all = append(all, *p)
		}
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

func isPlace(path string) bool {
	return strings.HasPrefix(path, "/tmp/") || strings.HasPrefix(path, "/etc/")
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
		data, err := os.ReadFile(path)
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
	if os.WriteFile(path, data, 0600) != nil {
		res.WriteHeader(http.StatusInternalServerError)
	}
}

func failFile(rec *httptest.ResponseRecorder, path string, err error) {
	if os.IsPermission(err) {
		writeFault(rec, "", &types.GuestPermissionDenied{})
		return
	}
	f := &types.FileNotFound{}
	f.File = path
	writeFault(rec, "File "+path+" was not found", f)
}

// own: the methods of the guest's managers; false: none of them.
func (g *guest) own(w *world, rec *httptest.ResponseRecorder, method *simulator.Method) bool {
	switch m := method.Body.(type) {
	case *types.StartProgramInGuest:
		if g.admit(w, rec, m.Vm, m.Auth) {
			spec := m.Spec.GetGuestProgramSpec()
			if _, err := os.Stat(spec.ProgramPath); err != nil {
				failFile(rec, spec.ProgramPath, err)
				return true
			}
			writeResult(rec, method.Name, &types.StartProgramInGuestResponse{Returnval: g.start(spec)})
		}
	case *types.ListProcessesInGuest:
		if g.admit(w, rec, m.Vm, m.Auth) {
			writeResult(rec, method.Name, &types.ListProcessesInGuestResponse{Returnval: g.list(m.Pids)})
		}
	case *types.TerminateProcessInGuest:
		if g.admit(w, rec, m.Vm, m.Auth) {
			terminate(int(m.Pid))
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

// terminate: as VMware Tools do it, this one process, politely first; what it started lives on.
func terminate(pid int) {
	_ = syscall.Kill(pid, syscall.SIGTERM)
	time.AfterFunc(5*time.Second, func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
}

func (g *guest) ownFiles(w *world, rec *httptest.ResponseRecorder, method *simulator.Method) bool {
	switch m := method.Body.(type) {
	case *types.InitiateFileTransferFromGuest:
		if !g.admit(w, rec, m.Vm, m.Auth) {
			return true
		}
		info, err := os.Stat(m.GuestFilePath)
		if err != nil || !isPlace(m.GuestFilePath) {
			failFile(rec, m.GuestFilePath, err)
			return true
		}
		writeResult(rec, method.Name, &types.InitiateFileTransferFromGuestResponse{Returnval: types.FileTransferInformation{
			Attributes: &types.GuestPosixFileAttributes{}, Size: info.Size(), Url: g.url(m.GuestFilePath)}})
	case *types.InitiateFileTransferToGuest:
		if !g.admit(w, rec, m.Vm, m.Auth) {
			return true
		}
		if _, err := os.Stat(filepath.Dir(m.GuestFilePath)); err != nil || !isPlace(m.GuestFilePath) {
			failFile(rec, m.GuestFilePath, err)
			return true
		}
		writeResult(rec, method.Name, &types.InitiateFileTransferToGuestResponse{Returnval: g.url(m.GuestFilePath)})
	case *types.CreateTemporaryDirectoryInGuest:
		if !g.admit(w, rec, m.Vm, m.Auth) {
			return true
		}
		dir, err := os.MkdirTemp("/tmp", m.Prefix+"*"+m.Suffix)
		if err != nil {
			failFile(rec, "/tmp", err)
			return true
		}
		g.mu.Lock()
		g.folders = append(g.folders, dir)
		g.mu.Unlock()
		writeResult(rec, method.Name, &types.CreateTemporaryDirectoryInGuestResponse{Returnval: dir})
	case *types.DeleteDirectoryInGuest:
		if g.admit(w, rec, m.Vm, m.Auth) {
			if isPlace(m.DirectoryPath) && m.Recursive {
				_ = os.RemoveAll(m.DirectoryPath)
			}
			writeResult(rec, method.Name, &types.DeleteDirectoryInGuestResponse{})
		}
	default:
		return false
	}
	return true
}
