"""Small templates, each for one thing that Jinja or Python does in its own way.

Left out is what hearth does not bridge; docs/decisions/0005-text-is-bought.md lists it.
"""

MESSAGES = [{"role": "system", "content": "S"}, {"role": "user", "content": "U <&> \u00e9\n"},
            {"role": "assistant", "content": None}]

VARIABLES = {
    "n": None, "t": True, "f": False, "i": 7, "neg": -7, "x": 1.0, "tiny": 1e-07, "huge": 1e22, "u64": 18446744073709551615,
    "s": "  Hello, \"W\u00f6rld\"  \n", "quote": "it's", "blank": "", "ws": "\x1c\x1f a\u00a0b \u3000\x1e",
    "list": [3, 1, 2], "mixed": ["a", 1, 2.5, None, True, {"k": "v"}], "empty": [], "dict": {"b": 1, "a": "x", "c": None},
    "deep": {"one": {"two": {"three": [1, {"four": "\u00fc"}]}}}, "shadow": {"items": 1, "keys": 2, "get": 3, "values": 4},
    "pairs": [{"name": "p", "n": 2}, {"name": "q", "n": 1}, {"name": "p", "n": 3}],
    "control": "a\tb\\c\"d\x01\x7f\u2028",
}

SNIPPETS = [
    # str() of values
    "{{ n }} {{ t }} {{ f }} {{ i }} {{ x }} {{ tiny }} {{ huge }} {{ u64 }}",
    "{{ n ~ t ~ f ~ i ~ x }}",
    "{{ list }} {{ mixed }} {{ dict }}",
    "{{ list ~ dict }}",
    "{{ [1, 'a', none, true, 1.5] }} {{ {'k': [1], 'j': 'it\\'s'} }} {{ (1, 'a') }} {{ (1,) }} "
    "{{ () }}",
    "{{ mixed | string }} {{ x | string }} {{ n | string }} {{ quote | string | length }}",
    "{{ control | list }}",
    "{{ deep }}",
    "{{ undefined_name }}|{{ dict.nothing }}|{{ dict['nothing'] }}",
    "{{ [quote, 'q\"q', \"both'\\\"\"] }}",
    "{{ 1e16 }} {{ 1e-5 }} {{ 0.1 + 0.2 }} {{ 10 / 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 "
    "}} {{ 2 ** 10 }} {{ 7 / 2 }}",
    "{{ 'a' ~ 1 ~ 'b' }}",
    "{{ 'ab' * 3 }}",
    "{{ 1 == 1.0 }} {{ 'a' < 'b' }} {{ 1 < 2 < 3 }} {{ not true }}",
    "{{ [1] + [2] }} {{ [1, 2] == [1, 2] }}",
    "{{ list + [4] }}",
    "{{ t and i }} {{ f or 'x' }} {{ n or blank or 'z' }}",
    "{{ 'yes' if i > 3 else 'no' }} {{ 'yes' if f }}",
    "{{ t + 1 }}",
    "{{ i | float }} {{ '3' | int }} {{ 'x' | int }} {{ '2.7' | float }} {{ 'x' | float(1.5) }}",
    # tojson
    "{{ dict | tojson }} {{ mixed | tojson }} {{ deep | tojson }}",
    "{{ dict | tojson(indent=2) }}",
    "{{ deep | tojson(indent=4) }}",
    "{{ empty | tojson(indent=2) }}{{ {} | tojson(indent=2) }}",
    "{{ deep | tojson(ensure_ascii=true) }}",
    "{{ '\U0001f600' | tojson(ensure_ascii=true) }}",
    "{{ dict | tojson(sort_keys=true) }}",
    "{{ mixed | tojson(separators=(',', ':')) }}",
    "{{ control | tojson }}",
    "{{ '<>&\\'' | tojson }}",
    "{{ [tiny, huge, x, u64, neg] | tojson }}",
    "{{ undefined_name | tojson }}",
    "{{ (1, 2) | tojson }}",
    "{{ messages | tojson }}",
    "{{ dict.items() | list | tojson }}",
    "{{ mixed | tojson(indent='\\t') }}",
    "{{ range(3) | list | tojson }}",
    # str methods and slices
    "{{ s.strip() }}|{{ s.lstrip() }}|{{ s.rstrip() }}|{{ s | trim }}",
    "{{ ws.strip() | tojson }} {{ ws.split() | tojson }} {{ ws | trim | tojson }}",
    "{{ 'xxaxx'.strip('x') }} {{ 'abcba'.lstrip('ab') }} {{ 'abcba'.rstrip('ab') }} {{ 'xax' | "
    "trim('x') }}",
    "{{ 'a,b,,c'.split(',') }} {{ 'a,b,c'.split(',', 1) }} {{ ' a  b c '.split() }} {{ ' a  b "
    "c '.split(none, 1) }}",
    "{{ 'a b c'.rsplit(' ', 1) }} {{ ' a  b c '.rsplit(none, 1) }} {{ 'a b "
    "c'.split(maxsplit=1) }} {{ 'a-b'.split(sep='-') }}",
    "{{ 'abc'.split('') }}",
    "{{ ''.split() }} {{ ''.split(',') }} {{ '  '.split() }}",
    "{{ 'a\\nb\\r\\nc\\x0bd\\u2028e\\n'.splitlines() }} {{ 'a\\nb'.splitlines(true) }}",
    "{{ 'abc'.startswith('a') }} {{ 'abc'.endswith(('x', 'c')) }} {{ 'abc'.startswith(('x', "
    "'y')) }}",
    "{{ 'Hello'.upper() }} {{ 'HeLLo'.lower() }} {{ 'hello world'.title() }} {{ "
    "'hELLO'.capitalize() }}",
    "{{ 'aXbXc'.replace('X', '-') }} {{ 'aaa'.replace('a', 'b', 2) }} {{ 'abc' | replace('b', "
    "'x') }}",
    "{{ 'abcabc'.find('c') }} {{ 'abc'.find('z') }} {{ 'abcabc'.rfind('c') }} {{ "
    "'abcabc'.count('b') }} {{ 'abc'.index('c') }}",
    "{{ 'abc'.index('z') }}",
    "{{ ','.join(['a', 'b']) }} {{ list | join('-') }} {{ mixed | join(', ') }}",
    "{{ 'a=b=c'.partition('=') }} {{ 'a=b=c'.rpartition('=') }} {{ 'abc'.partition('=') }}",
    "{{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x.py'.removesuffix('.py') }}",
    "{{ 'abc'[0] }} {{ 'abc'[-1] }} {{ 'abc'[1:] }} {{ 'abc'[::-1] }} {{ 'h\xe9llo'[1:3] }}",
    "{{ 'abc'[10] }}|{{ list[10] }}|{{ list[-1] }}",
    "{{ 'abc' | length }} {{ '\xe9\U0001f600' | length }} {{ list | length }} {{ dict | length "
    "}} {{ dict | count }}",
    "{{ n | length }}",
    "{{ i | length }}",
    "{{ '12'.isdigit() }} {{ 'a1'.isalnum() }} {{ 'ab'.isalpha() }} {{ ' \\t'.isspace() }} {{ "
    "'ab'.islower() }} {{ 'AB'.isupper() }}",
    "{{ '{} and {}'.format(1, 'x') }} {{ '{0}{0}'.format('a') }} {{ '%s-%d' | format('a', 3) }}",
    "{{ 'a' 'b' }}",
    "{{ 'tab\\tnew\\nuni\\u00e9\\x41' }}",
    "{{ 'x' in 'xyz' }} {{ 'q' not in 'xyz' }} {{ 1 in list }} {{ 'a' in dict }}",
    "{{ 'text'.nothing() }}",
    "{{ s.strip(none) }}",
    "{{ 'a' + 1 }}",
    "{{ n + 'a' }}",
    # containers
    "{% for k in dict %}{{ k }},{% endfor %}{% for k, v in dict.items() %}{{ k }}={{ v }};{% "
    "endfor %}",
    "{% for k, v in dict | items %}{{ k }}={{ v }};{% endfor %}{% for k, v in undefined_name | "
    "items %}x{% endfor %}",
    "{% for k, v in n | items %}x{% endfor %}",
    "{{ dict.keys() | list }} {{ dict.values() | list }} {{ dict.get('a') }} {{ dict.get('z') "
    "}} {{ dict.get('z', 9) }}",
    "{{ shadow.items() | list }} {{ shadow.keys() | list }} {{ shadow['items'] }} {{ "
    "shadow.get('get') }}",
    "{{ dict | dictsort }} {{ dict | list }}",
    "{{ messages[::-1] | map(attribute='role') | list }} {{ messages[1:] | length }} {{ "
    "messages[:-1] | length }} {{ messages[-1].role }}",
    "{{ list | sort }} {{ list | reverse | list }} {{ list | first }} {{ list | last }} {{ "
    "list | sum }} {{ list | min }} {{ list | max }}",
    "{{ pairs | selectattr('name', 'equalto', 'p') | list }}",
    "{{ pairs | rejectattr('n', 'eq', 1) | map(attribute='n') | join(',') }}",
    "{{ pairs | map(attribute='name') | unique | list }} {{ pairs | sort(attribute='n') | "
    "map(attribute='n') | list }}",
    "{% for g in pairs | groupby('name') %}{{ g.grouper }}:{{ g.list | length }};{% endfor %}",
    "{{ list | map('string') | list }} {{ list | select('odd') | list }} {{ mixed | "
    "select('string') | list }} {{ list | batch(2) | list }}",
    "{{ empty | first }}|{{ [] | last }}",
    "{{ empty | default('d') }} {{ n | default('d') }} {{ n | default('d', true) }} {{ "
    "undefined_name | default('d') }} {{ nope.x | default('d') }}",
    "{{ nope.x }}",
    "{{ dict.a.b }}|{{ n.b }}",
    "{{ dict.a.b.c }}",
    "{{ n.b.c }}",
    "{% for x in undefined_name %}x{% else %}none{% endfor %}",
    "{% for x in i %}x{% endfor %}",
    "{{ messages.append(1) }}",
    "{{ dict.update({'z': 1}) }}",
    "{{ dict.pop('a') }}",
    "{{ dict | length > 2 and list is iterable }}",
    "{% set d = dict(a=1, b='x') %}{{ d.a }} {{ d }}",
    "{{ {'a': 1} == {'a': 1} }} {{ dict == dict }} {{ list == [3, 1, 2] }}",
    # tests
    "{{ s is string }} {{ i is string }} {{ dict is mapping }} {{ list is mapping }} {{ list "
    "is sequence }} {{ s is sequence }} {{ dict is sequence }} {{ i is sequence }}",
    "{{ s is iterable }} {{ dict is iterable }} {{ i is iterable }} {{ n is iterable }} {{ "
    "undefined_name is iterable }}",
    "{{ i is number }} {{ x is number }} {{ x is float }} {{ i is integer }} {{ t is boolean "
    "}} {{ i is boolean }} {{ n is none }} {{ undefined_name is none }}",
    "{{ undefined_name is defined }} {{ n is defined }} {{ dict.a is defined }} {{ dict.z is "
    "defined }} {{ undefined_name is undefined }}",
    "{{ t is true }} {{ f is false }} {{ 1 is true }} {{ t is number }} {{ t is integer }} {{ "
    "4 is divisibleby(2) }} {{ 3 is odd }} {{ 'a' is in 'abc' }} {{ n is sameas none }} {{ 'a' "
    "is lower }} {{ 'A' is upper }}",
    "{{ i is not string and list is not none }}",
    "{{ i is unknown_test }}",
    "{{ i | unknown_filter }}",
    "{{ unknown_function() }}",
    # control, white space, errors
    "{% set ns = namespace(a=1, b='x') %}{% for i in range(3) %}{% set ns.a = ns.a + i %}{% "
    "endfor %}{{ ns.a }}{{ ns.b }}",
    "{% set v = 1 %}{% for i in [1] %}{% set v = 2 %}{% endfor %}{{ v }}",
    "{% if true %}{% set v = 2 %}{% endif %}{{ v }}",
    "{% for m in messages if m.role != 'user' %}{{ loop.index }}/{{ loop.length }} {{ "
    "loop.first }} {{ loop.last }} {{ loop.revindex }};{% endfor %}",
    "{% for m in messages %}{{ loop.previtem.role if loop.previtem is defined }}>{{ m.role "
    "}}>{{ loop.nextitem.role if not loop.last }};{% endfor %}",
    "{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}{% break "
    "%}{% endif %}{{ i }}{% endfor %}",
    "{% for i in range(4) %}{{ loop.cycle('a', 'b') }}{% endfor %}{% for i in [1, 1, 2] %}{{ "
    "loop.changed(i) }}{% endfor %}",
    "{% macro m(a, b='d') %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}{{ m(1, b=2) }}{{ m('x', 'y') }}",
    "{% macro m() %}{{ caller() }}!{% endmacro %}{% call m() %}in{% endcall %}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m() }}",
    "{% set b %}block {{ i }}{% endset %}{{ b | length }}{{ b }}",
    "{% filter upper %}abc{% endfilter %}",
    "{% with a = 1 %}{{ a }}{% endwith %}{{ a }}",
    "{% for a, b in [(1, 2), (3, 4)] %}{{ a + b }},{% endfor %}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}",
    "{{ range(10) | list }} {{ range(2, 8, 3) | list }} {{ range(3, 0, -1) | list }}",
    "{%- generation %}gen{{ i }}{%- endgeneration %}",
    "{% generation %}\n  a\n{% endgeneration %}\nb",
    "{% raw %}{{ x }}{% endraw %}",
    "{# comment #}x{#- trimmed -#} y",
    "  {% if true %}\n    a\n  {% endif %}\n  b\n",
    "a\n  {%- if true -%}  b  {%- endif %}\nc\n\n",
    "x {%+ if true %} y{% endif +%}\nz",
    "{{ 'a' }}\n{{ 'b' }}\n",
    "{% if true %}\n{% endif %}\n\nend",
    "\n{{- 'x' -}}\n y",
    "{% for i in range(2) -%}\n  {{ i }}\n{% endfor %}",
    "a\r\nb{% if true %}\r\nc{% endif %}\r\n",
    "{{ raise_exception('stop: ' ~ i) }}",
    "{% if f %}{{ raise_exception('no') }}{% endif %}ok",
    "{{ strftime_now('%%x') }}{{ strftime_now('%Y') | length }}",
    "{{ bos_token }}|{{ eos_token }}|{{ pad_token }}|{{ bos_token is defined }}",
    "{{ tools is none }} {{ documents is none }} {{ tools is defined }} {{ "
    "add_generation_prompt }}",
    "{% include 'x' %}",
    "{% if %}",
    "{{ 1 +",
    "{% endfor %}",
    "{{ ''.__class__ }}",
    "{{ messages.__class__.__mro__ }}",
    # filters and the rest
    "{{ s | upper | trim | lower }}",
    "{{ 'a\\nb' | indent(2) }} {{ 'a\\nb' | indent(2, true) }}",
    "{{ 'hello world' | title }} {{ 'hELLO' | capitalize }} {{ 'one two' | wordcount }}",
    "{{ 3.14159 | round(2) }} {{ 2.5 | round }} {{ -3 | abs }} {{ 3.7 | int }} {{ 3 | round }}",
    "{{ '<a>' | escape }} {{ '<a>' | e }} {{ '<a>' | safe }}",
    "{{ 'a b' | urlencode }}",
    "{{ 'abc' | list }} {{ 'abc' | first }} {{ 'cba' | sort }} {{ 'abc' | reverse }}",
    "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}",
    "{% set j = joiner(', ') %}{{ j() }}a{{ j() }}b",
    "{{ ('a', 'b') | join }} {{ (1, 2)[0] }} {{ (1, 2) | length }}",
    "{{ [1, 2, 3][:2] }} {{ [1, 2, 3][-2:] }} {{ list[::2] }}",
    "{{ dict['a'] }} {{ dict.a }} {{ dict[0] }}",
    "{{ deep.one.two.three[1].four }} {{ deep['one']['two'] }}",
    "{{ messages[0]['content'] ~ messages[2].content }}",
    "{{ messages[2].content + 'x' }}",
    "{% do list.append(1) %}",
    "{{ true }} {{ True }} {{ none }} {{ None }} {{ false }} {{ False }}",
    "{{ 'a' if n is none else 'b' }}{{ ('x' if t else 'y') ~ 'z' }}",
    "{{ 5 is eq 5 }} {{ 5 is ge(4) }} {{ [1, 2] is contains(1) }}",
    "{{ '\xe9' | tojson }}{{ '\xe9'.upper() }}",
    "{{ 10 // 3 }} {{ 10 % 3 }} {{ 10 / 4 }} {{ 1 / 0 }}",
    "{{ 1_000 }} {{ 0x1f }} {{ 0b11 }}",
    "{{ {'a': 1}.a }} {{ {'a': {'b': 2}}.a.b }}",
    "{{ {**dict} }}",
    "{{ list | tojson | length }}",
    "{{ 'x' ~ undefined_name ~ 'y' }}",
    "{{ undefined_name + 'x' }}",
    "{{ undefined_name == none }} {{ undefined_name is not defined }} {{ not undefined_name }}",
    "{{ {1: 2, none: 3} | tojson }}",
]
