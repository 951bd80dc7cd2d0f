// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
)

const (
	sector       = 512
	tableEntries = 512
	headSectors  = 128
)

// stream is what a server sends: qemu-img's has its tables in the head, in front of the grains, and no end. vSphere's has each table
// behind its grains, and then directory, footer, end.
type stream struct {
	to    *bufio.Writer
	at    uint32 // sectors
	table [tableEntries]uint32
	which uint64 // table is being filled
	used  bool
	dir   []uint32
	err   error
}

// put the parts, and zeros up to the sector's end.
func (s *stream) put(parts ...[]byte) {
	n := 0
	for _, p := range parts {
		n += len(p)
		if s.err == nil {
			_, s.err = s.to.Write(p)
		}
	}
	if s.err == nil {
		_, s.err = s.to.Write(make([]byte, (sector-n%sector)%sector))
	}
	s.at += uint32((n + sector - 1) / sector)
}

func (s *stream) marker(sectors uint64, kind uint32) {
	m := binary.LittleEndian.AppendUint64(nil, sectors)
	m = binary.LittleEndian.AppendUint32(m, 0)
	s.put(binary.LittleEndian.AppendUint32(m, kind))
}

func words(list []uint32) []byte {
	var out []byte
	for _, v := range list {
		out = binary.LittleEndian.AppendUint32(out, v)
	}
	return out
}

func (s *stream) endTable() {
	if s.used {
		s.marker(tableEntries*4/sector, 1)
		s.dir[s.which] = s.at
		s.put(words(s.table[:]))
	}
	s.table, s.used = [tableEntries]uint32{}, false
}

func (s *stream) grain(lba, grainSectors uint64, marker, data []byte) {
	if n := lba / grainSectors / tableEntries; n != s.which {
		s.endTable()
		s.which = n
	}
	if lba/grainSectors%29 == 28 { // vSphere does so at times, and nobody knows why
		s.marker(0, 4)
	}
	s.table[lba/grainSectors%tableEntries], s.used = s.at, true
	s.put(marker, data)
}

func (s *stream) end(header []byte) {
	s.endTable()
	s.marker(uint64((len(s.dir)*4+sector-1)/sector), 2)
	binary.LittleEndian.PutUint64(header[56:], uint64(s.at))
	s.put(words(s.dir))
	s.marker(1, 3)
	s.put(header)
	s.marker(0, 0)
}

// nextGrain: marker and data, as they lie there with their padding read over; nil at the end.
func nextGrain(from io.Reader) (marker, data []byte, err error) {
	first := make([]byte, sector)
	if _, err = io.ReadFull(from, first); err == io.EOF {
		return nil, nil, nil
	}
	n := int(binary.LittleEndian.Uint32(first[8:]))
	if err != nil || n == 0 {
		return nil, nil, err
	}
	all := append(first, make([]byte, max(0, (12+n+sector-1)/sector*sector-sector))...)
	_, err = io.ReadFull(from, all[sector:])
	return all[:12], all[12 : 12+n], err
}

func max(a, b int) int {
	if a > b {
		return a
	}
	return b
}

// restream makes the server's stream of qemu-img's file.
func restream(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	header := make([]byte, sector)
	if _, err = in.ReadAt(header, 0); err != nil {
		return err
	}
	capacity, grain := binary.LittleEndian.Uint64(header[12:]), binary.LittleEndian.Uint64(header[20:])
	if _, err = in.Seek(int64(binary.LittleEndian.Uint64(header[64:]))*sector, io.SeekStart); err != nil {
		return err
	}
	span := grain * tableEntries
	s := &stream{to: bufio.NewWriterSize(out, 1<<20), dir: make([]uint32, (capacity+span-1)/span)}
	head := make([]byte, headSectors*sector)
	if _, err = in.ReadAt(head[sector:21*sector], sector); err != nil { // the descriptor
		return err
	}
	binary.LittleEndian.PutUint64(header[48:], 0)
	binary.LittleEndian.PutUint64(header[56:], ^uint64(0))
	binary.LittleEndian.PutUint64(header[64:], headSectors)
	copy(head, header)
	s.put(head)
	source := bufio.NewReaderSize(in, 1<<20)
	for {
		marker, data, err := nextGrain(source)
		if err != nil {
			return err
		}
		if marker == nil {
			break
		}
		s.grain(binary.LittleEndian.Uint64(marker), grain, marker, data)
	}
	s.end(header)
	if s.err == nil {
		s.err = s.to.Flush()
	}
	return s.err
}

// without is a stream in which its n-th grain is not, and all else is as it was; one that has not so many is whole.
func without(f *os.File, n int64) (io.Reader, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	first := make([]byte, sector)
	for at := int64(headSectors * sector); ; n-- {
		if _, err := f.ReadAt(first, at); err != nil {
			return nil, err
		}
		bytes := int64(binary.LittleEndian.Uint32(first[8:]))
		kind := binary.LittleEndian.Uint32(first[12:])
		if bytes == 0 && kind == 4 {
			at, n = at+sector, n+1
			continue
		}
		if bytes == 0 {
			return nil, fmt.Errorf("the first table has no such grain")
		}
		next := at + (12+bytes+sector-1)/sector*sector
		if n == 0 {
			return io.MultiReader(io.NewSectionReader(f, 0, at), io.NewSectionReader(f, next, size-next)), nil
		}
		at = next
	}
}
