// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// here is the pretended operating system: programs run on this machine, by bash as VMware Tools start them on Linux, and files are
// those of this machine, below /tmp and /etc.
type here struct {
	mu      sync.Mutex
	started map[int64]*exec.Cmd
	ended   map[int64]int32
	folders []string // that were asked for: who was killed has left them
}

func newHere() *here {
	return &here{started: map[int64]*exec.Cmd{}, ended: map[int64]int32{}}
}

func (h *here) alive() bool { return true }

func (h *here) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for pid, c := range h.started {
		if _, ended := h.ended[pid]; !ended {
			_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		}
	}
	for _, dir := range h.folders {
		_ = os.RemoveAll(dir)
	}
}

func (h *here) start(words string) (int64, error) {
	c := exec.Command("/bin/bash", "-c", words)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		return 0, err
	}
	pid := int64(c.Process.Pid)
	h.mu.Lock()
	h.started[pid] = c
	h.mu.Unlock()
	go func() {
		err := c.Wait()
		h.mu.Lock()
		defer h.mu.Unlock()
		h.ended[pid] = statusOf(err)
	}()
	return pid, nil
}

// statusOf: as shells tell it.
func statusOf(err error) int32 {
	exit, ok := err.(*exec.ExitError)
	if !ok {
		return 0
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int32(status.Signal())
	}
	return int32(exit.ExitCode())
}

func (h *here) poll(pid int64) (int32, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	status, ended := h.ended[pid]
	return status, ended
}

func (h *here) kill(pid int64) {
	_ = syscall.Kill(int(pid), syscall.SIGTERM)
	time.AfterFunc(5*time.Second, func() {
		if _, ended := h.poll(pid); !ended {
			_ = syscall.Kill(int(pid), syscall.SIGKILL)
		}
	})
}

func place(path string) error {
	if strings.HasPrefix(path, "/tmp/") || strings.HasPrefix(path, "/etc/") {
		return nil
	}
	return os.ErrNotExist
}

// size: of a program, too.
func (h *here) size(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (h *here) read(path string) ([]byte, error) {
	if err := place(path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

func (h *here) takes(path string) error {
	if err := place(path); err != nil {
		return err
	}
	_, err := os.Stat(filepath.Dir(path))
	return err
}

func (h *here) write(path string, data []byte) error {
	return os.WriteFile(path, data, 0600)
}

func (h *here) makeDir(prefix, suffix string) (string, error) {
	dir, err := os.MkdirTemp("/tmp", prefix+strconv.Itoa(os.Getpid())+"-*"+suffix)
	if err != nil {
		return "", err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.folders = append(h.folders, dir)
	return dir, nil
}

func (h *here) removeDir(path string) error {
	if err := place(path); err != nil {
		return nil
	}
	return os.RemoveAll(path)
}
