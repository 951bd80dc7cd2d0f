// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"reflect"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
)

const (
	soapSpace = "http://schemas.xmlsoap.org/soap/envelope/"
	xsiSpace  = "http://www.w3.org/2001/XMLSchema-instance"
	vimSpace  = "urn:vim25"
)

// element is a request as it was sent: the simulator's own decoder takes the children in any order.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Children []*element `xml:",any"`
	Text     string     `xml:",chardata"`
}

func (e *element) attr(space, name string) string {
	for _, a := range e.Attrs {
		if a.Name.Space == space && a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// field is what the schema says of one child element.
type field struct {
	name               string
	kind               reflect.Type
	optional, abstract bool
	repeated           bool
}

// fields: govmomi's structures were generated from the schema, in its order, those of the base type first.
func fields(t reflect.Type) []field {
	var all []field
	for i := 0; i < t.NumField(); i++ {
		f := t.Field(i)
		if f.Anonymous {
			all = append(all, fields(f.Type)...)
			continue
		}
		tag := strings.Split(f.Tag.Get("xml"), ",")
		if tag[0] == "" || tag[0] == "-" {
			continue
		}
		kind, repeated := f.Type, false
		pointer := kind.Kind() == reflect.Ptr
		if pointer {
			kind = kind.Elem()
		}
		if kind.Kind() == reflect.Slice {
			kind, repeated = kind.Elem(), true
		}
		options := strings.Join(tag[1:], ",")
		all = append(all, field{name: tag[0], kind: kind, repeated: repeated,
			optional: pointer || strings.Contains(options, "omitempty"),
			abstract: strings.Contains(options, "typeattr") && kind.Kind() == reflect.Interface})
	}
	return all
}

// local is the name behind the prefix of an xsi:type.
func local(name string) string {
	return name[strings.LastIndex(name, ":")+1:]
}

func typeOf(e *element, f field) (reflect.Type, error) {
	if !f.abstract {
		return f.kind, nil
	}
	name := e.attr(xsiSpace, "type")
	if name == "" {
		return nil, fmt.Errorf("<%s> is abstract and has no xsi:type", f.name)
	}
	t, ok := types.TypeFunc()(local(name))
	if !ok {
		return nil, fmt.Errorf("<%s> is of an unknown type %s", f.name, name)
	}
	return t, nil
}

var reference = reflect.TypeOf(types.ManagedObjectReference{})

// ordered says what is wrong with the children of e, which is to be a t.
func ordered(e *element, t reflect.Type) error {
	if t == reference {
		if e.attr("", "type") == "" || e.Text == "" {
			return fmt.Errorf("<%s> is no reference with a type", e.XMLName.Local)
		}
		return nil
	}
	if t.Kind() != reflect.Struct {
		if len(e.Children) != 0 {
			return fmt.Errorf("<%s> is simple and has children", e.XMLName.Local)
		}
		return nil
	}
	at := 0
	for _, f := range fields(t) {
		n := 0
		for ; at < len(e.Children) && e.Children[at].XMLName.Local == f.name; at, n = at+1, n+1 {
			if n == 1 && !f.repeated {
				return fmt.Errorf("<%s> stands twice in <%s>", f.name, e.XMLName.Local)
			}
			kind, err := typeOf(e.Children[at], f)
			if err == nil {
				err = ordered(e.Children[at], kind)
			}
			if err != nil {
				return err
			}
		}
		if n == 0 && !f.optional {
			return fmt.Errorf("<%s> is missing in <%s>, or out of order", f.name, e.XMLName.Local)
		}
	}
	if at < len(e.Children) {
		return fmt.Errorf("<%s> in <%s> is unknown, or out of order", e.Children[at].XMLName.Local, e.XMLName.Local)
	}
	return nil
}

// strict reads a request; the error is what a real server would find.
func strict(body []byte) (*element, error) {
	var envelope element
	d := xml.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(&envelope); err != nil {
		return nil, err
	}
	if envelope.XMLName != (xml.Name{Space: soapSpace, Local: "Envelope"}) {
		return nil, fmt.Errorf("no envelope")
	}
	for _, child := range envelope.Children {
		if child.XMLName != (xml.Name{Space: soapSpace, Local: "Body"}) {
			continue
		}
		if len(child.Children) != 1 {
			return nil, fmt.Errorf("%d methods", len(child.Children))
		}
		m := child.Children[0]
		if m.XMLName.Space != vimSpace {
			return m, fmt.Errorf("<%s> is not of %s", m.XMLName.Local, vimSpace)
		}
		t, ok := types.TypeFunc()(m.XMLName.Local)
		if !ok {
			return m, fmt.Errorf("no method %s", m.XMLName.Local)
		}
		return m, ordered(m, t)
	}
	return nil, fmt.Errorf("no body")
}
