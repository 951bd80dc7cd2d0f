# SPDX-License-Identifier: Apache-2.0
"""schema.py - which requests Proxmox VE takes, by its own description (schema.json), and how it refuses the others."""
import json
import os
import re

with open(os.path.join(os.path.dirname(__file__), "schema.json"), encoding="utf-8") as file:
    SCHEMA = json.load(file)


class Refused(Exception):
    """An answer other than 200: status, text, and the errors of single parameters."""

    def __init__(self, status, text, errors=None):
        super().__init__(text)
        self.status, self.text, self.errors = status, text, errors


def find(method, path):
    """The endpoint's description and what stands in its {placeholders}; no such endpoint: 501, never 404."""
    all_parts = path.split("/")
    for template, methods in SCHEMA["endpoints"].items():
        names, parts = template.split("/"), all_parts
        if names[-1] == "{volume}" and len(parts) > len(names):  # a '/' of its own, encoded or not
            parts = parts[:len(names) - 1] + ["/".join(parts[len(names) - 1:])]
        if len(names) != len(parts) or method not in methods:
            continue
        if all(n == p or (n.startswith("{") and p) for n, p in zip(names, parts)):
            values = {n[1:-1]: p for n, p in zip(names, parts) if n.startswith("{")}
            return template, methods[method], values
    raise Refused(501, f"Method '{method} {path}' not implemented")


def decode(text):
    """Form data as the server takes it: a raw '=' cuts a value, ';' splits like '&', a key without '=' counts as absent."""
    out = {}
    for part in re.split("[&;]", text):
        pieces = part.split("=")
        if len(pieces) < 2:
            continue
        key, value = (unquote(p) for p in pieces[:2])
        if key in out:
            out[key] = (out[key] if isinstance(out[key], list) else [out[key]]) + [value]
        else:
            out[key] = value
    return out


def unquote(text):
    raw = re.sub(rb"%([0-9A-Fa-f]{2})", lambda m: bytes([int(m[1], 16)]), text.replace("+", " ").encode())
    return raw.decode("utf-8", "replace")


def check_one(rule, value):
    """What is wrong with the value, or None."""
    kind = rule.get("type", "string")
    if kind == "array":
        return None
    if isinstance(value, list):
        return "type check ('%s') failed" % kind
    if kind == "boolean" and value not in ("0", "1"):
        return f"type check ('boolean') failed - got '{value}'"
    if kind in ("integer", "number"):
        if not re.fullmatch("-?[0-9]+", value):
            return f"type check ('integer') failed - got '{value}'"
        if "minimum" in rule and int(value) < rule["minimum"]:
            return f"value must have a minimum value of {rule['minimum']}"
        if "maximum" in rule and int(value) > rule["maximum"]:
            return f"value must have a maximum value of {rule['maximum']}"
    if "enum" in rule and value not in rule["enum"]:
        return f"value '{value}' does not have a value in the enumeration '{', '.join(rule['enum'])}'"
    if "maxLength" in rule and len(value) > rule["maxLength"]:
        return f"value may only be {rule['maxLength']} characters long"
    return check_format(rule.get("format"), value)


def check_format(name, value):
    if isinstance(name, dict):
        return check_properties(name, value)
    if not isinstance(name, str):
        return None
    pattern = SCHEMA["formats"].get(name)
    if isinstance(pattern, dict):
        return check_properties(pattern, value)
    if name.endswith("-list") and name[:-5] in SCHEMA["formats"]:
        name, values = name[:-5], [v for v in re.split("[,; \t]+", value) if v]
        pattern = SCHEMA["formats"][name]
    else:
        values = [value]
    if pattern and not all(re.fullmatch(pattern, v) for v in values):
        return f"invalid format - value does not look like a valid {name.replace('pve-', '')}"
    return None


def check_properties(rules, value):
    """A property string, "enabled=1,storage=x": what is wrong with it, or None."""
    alone = [k for k, rule in rules.items() if rule.get("default_key")]
    for part in value.split(","):
        key, has_value, one = part.partition("=")
        if not has_value and alone:
            key, one = alone[0], part
        if rules.get(key, {}).get("alias"):  # virtio=MAC: both model and macaddr
            continue
        if key not in rules:
            return f"invalid format - {key}: property is not defined in schema and the schema does not allow additional properties"
        wrong = check_one(rules[key], {"yes": "1", "on": "1", "true": "1"}.get(one, one) if rules[key]["type"] == "boolean" else one)
        if wrong:
            return f"invalid format - {key}: {wrong}"
    return None


def rule_of(rules, key):
    """Of this parameter; net0 has that of net[n]."""
    return rules.get(key) or rules.get(re.sub("[0-9]+$", "[n]", key))


def check(rules, in_path, given):
    """All parameters in one dictionary, or 400 with each fault named."""
    errors, out = {}, dict(in_path)
    for key, value in given.items():
        if key in in_path and value != in_path[key]:
            errors[key] = "duplicate parameter (already defined in URI) with conflicting values!"
        out[key] = value
    for key, value in out.items():
        rule = rule_of(rules, key)
        if not rule:
            errors[key] = "property is not defined in schema and the schema does not allow additional properties"
            continue
        if rule.get("type") == "array" and not isinstance(value, list):
            out[key] = [value]
        wrong = check_one(rule, out[key])
        if wrong:
            errors[key] = wrong
        needed = rule.get("requires")
        if needed and needed not in out:
            errors[needed] = f"missing property - '{key}' requires this property"
    for key, rule in rules.items():
        if "[n]" not in key and key not in out and not rule.get("optional"):
            errors[key] = "property is missing and it is not optional"
    if errors:
        raise Refused(400, "Parameter verification failed.", errors)
    return out
