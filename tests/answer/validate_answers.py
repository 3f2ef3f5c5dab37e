"""Validates answers with python-jsonschema: lines of {"schema": …, "answer": "…"} in a file.

Prints what is wrong and exits with 1; with 77 when the module is not installed.
"""

import json
import sys

try:
    from jsonschema import Draft202012Validator, FormatChecker
except ImportError:
    print("skipped: python3-jsonschema is not installed")
    sys.exit(77)

CHECKED_FORMATS = FormatChecker(formats=("date", "ipv4", "email"))


def problem(schema, text):
    """What is wrong with an answer; None: nothing."""
    try:
        answer = json.loads(text)
    except ValueError as error:
        return f"no JSON: {error}"
    validator = Draft202012Validator(schema, format_checker=CHECKED_FORMATS)
    return next((error.message for error in validator.iter_errors(answer)), None)


def main(path):
    valid = wrong = 0
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            item = json.loads(line)
            Draft202012Validator.check_schema(item["schema"])
            found = problem(item["schema"], item["answer"])
            if found is None:
                valid += 1
                continue
            wrong += 1
            print(f"{found}\n  schema: {json.dumps(item['schema'])}\n  answer: {item['answer']}")
    print(f"{valid} answers are valid, {wrong} are not")
    return 1 if wrong or not valid else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
