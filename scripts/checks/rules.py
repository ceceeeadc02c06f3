#!/usr/bin/env python3
"""The rules of the tree, as checks that ctest runs one by one (check.<name>).

    rules.py [--root DIR] [--list] [NAME ...]

Exits 1 and prints file:line for every broken rule. `self_test.py` shows that each check can fail.
"""
import argparse
import json
import pathlib
import re
import sys

# --- who may include whom (a header may include its own group and every lower layer) ---------------------------------
# First match wins; paths are relative to include/etl. Groups of one layer stand beside each other and stay apart.
# The reasons for this order: docs/design/0005-include-layers.md.
LAYERS = [
    # (layer, group, pattern)
    (1, "values", r"(concurrent|config|error|stop|position|lost_item)\.hpp|observe/histogram\.hpp|detail/meta/(guard|time|process)\.hpp"),
    (2, "delivery", r"delivery/(seq_ranges|checkpoint|dead_letter|idempotency_key|transactional_store)\.hpp"),
    (2, "executor", r"(executor(_backend)?|asio|memory_budget|signals)\.hpp|detail/meta/(handler_memory|cpus)\.hpp"),
    (3, "policy", r"policy/.*"),
    (4, "pipeline", r"detail/(intake/(lane|slots)|load/stage_calls|meta/traits|run/report_text)\.hpp"),
    (6, "bucket", r"bucket\.hpp|detail/intake/bucket_engine\.hpp|detail/load/bucket_processor\.hpp"),
    (7, "run", r"(run|start)\.hpp|detail/run/(run_pipeline|runner|typed_pipeline|execute)\.hpp"),
    (8, "manager", r"manager\.hpp|detail/run/manager_engine\.hpp"),
    (5, "detail", r"detail/.*"),
    (8, "replay", r"delivery/replay\.hpp"),
    (6, "delivery", r"delivery/.*"),
    (6, "observe", r"observe/.*"),
    (8, "flow", r"flow/.*"),
    (9, "testing", r"testing/.*"),
    (10, "umbrella", r"etl\.hpp"),
    (4, "pipeline", r"[^/]*\.hpp"),  # options, report, pipeline, emitter, out, batch_context, ...
    (11, "implementation", r"impl/.*"),  # may include all of core; a header includes its own only, where header-only
]
# Components stand above core, apart from one another but for these edges.
COMPONENTS = {
    "io": set(), "excel": {"io"}, "sqlite": set(), "postgres": set(), "http": {"io"}, "s3": {"http", "io"}, "kafka": set(),
    "druid": {"http", "io"}, "csv": {"io"}, "uniprot": {"io"}, "jobs": {"io", "sqlite", "postgres"},
    "records": set(), "schedule": set(),
}
COMPONENT_LAYER = 12
# The umbrella is what most programs include: core without the test kit, and no component.
UMBRELLA_REFUSES = {"testing"}

HEADER_ONLY = "#if !defined(ETLPIPE_COMPILED_CORE)"

# --- third-party headers ----------------------------------------------------------------------------------------------
THIRD_PARTY_IN_CORE = r"(asio(/.*)?\.hpp|fmt/.*\.h|tl/expected\.hpp)"
QUEUE_HEADER = r"(concurrentqueue|moodycamel)/.*"
QUEUE_FILE = "detail/intake/intake_queue.hpp"
# What the headers of the core include where it is a library: every user's file pays for it.
LIGHT = set("""atomic charconv chrono concepts condition_variable csignal cstddef cstdint cstdio exception
functional future initializer_list iterator limits map memory mutex new optional span stop_token string string_view
system_error tuple type_traits utility vector tl/expected.hpp unistd.h""".split())
POSIX = {"fcntl.h", "pthread.h", "sched.h", "signal.h", "sys/ioctl.h", "sys/mman.h", "sys/stat.h", "sys/types.h",
         "unistd.h"}
STANDARD = set("""algorithm any array atomic barrier bit bitset charconv chrono codecvt compare complex concepts
condition_variable coroutine deque exception execution filesystem forward_list fstream functional future
initializer_list iomanip ios iosfwd iostream istream iterator latch limits list locale map memory memory_resource mutex
new numbers numeric optional ostream queue random ranges ratio regex scoped_allocator semaphore set shared_mutex
source_location span sstream stack stdexcept stop_token streambuf string string_view strstream syncstream system_error
thread tuple type_traits typeindex typeinfo unordered_map unordered_set utility valarray variant vector version
cassert cctype cerrno cfenv cfloat cinttypes climits clocale cmath csetjmp csignal cstdarg cstddef cstdint cstdio
cstdlib cstring ctime cuchar cwchar cwctype""".split())

# --- language and library features that the supported compilers get wrong (docs/design) ------------------------------
BANNED = {
    r"\bco_(await|yield|return)\b": "coroutines: GCC 12.2 miscompiles them",
    r"\bstd::v?format(_to|_to_n)?\b": "std::format: not in libstdc++ 12",
    r"\bstd::(expected|unexpected)\b": "std::expected: not in libstdc++ 12, use etl::Result",
    r"\bstd::move_only_function\b": "std::move_only_function: not in libstdc++ 12 for C++20",
    r"\bstd::(counting|binary)_semaphore\b": "semaphores: libstdc++ 12 can lose a wake-up",
    r"#\s*include\s*<(semaphore|latch|barrier|format|expected|coroutine)>": "header of a banned feature",
    r"\.\s*notify_(one|all)\s*\(\s*std::memory_order": "atomic notify",
    r"\bstd::atomic_(wait|notify)\w*\b": "atomic wait: libstdc++ 12 can lose a wake-up",
    r"\batomic_flag_wait\w*\b": "atomic wait",
    r"\.\s*wait\s*\([^()]*,\s*std::memory_order": "atomic wait",
}
GUARD_FILE = "include/etl/detail/meta/guard.hpp"
LINES_WARN, LINES_FAIL = 250, 800


def read(path):
    return path.read_text(encoding="utf-8", errors="replace")


def without_comments(text, keep_strings=True):
    """The text with comments (and string literals, if asked) blanked, line numbers kept."""
    token = re.compile(r'//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', re.S)

    def blank(match):
        found = match.group(0)
        if found.startswith("/") or not keep_strings:
            return re.sub(r"[^\n]", " ", found)
        return found

    return token.sub(blank, text)


def sources(root, *folders, suffixes=(".hpp", ".h", ".cpp", ".ipp")):
    for folder in folders:
        base = root / folder
        if base.exists():
            yield from (p for p in sorted(base.rglob("*")) if p.is_file() and p.suffix in suffixes)


def hits(path, text, pattern):
    for match in re.finditer(pattern, text):
        yield text.count("\n", 0, match.start()) + 1, match


def includes(path):
    """(line, name, angled) of each include directive; an include inside a raw string is not one."""
    text = without_comments(read(path))
    for line, match in hits(path, text, r'(?m)^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]'):
        yield line, match.group(2), match.group(1) == "<"


def place(relative):
    """(layer, group) of a header below include/etl, or None for a folder that the table does not know."""
    top = relative.split("/")[0]
    if top in COMPONENTS:
        return COMPONENT_LAYER, top
    for layer, group, pattern in LAYERS:
        if re.fullmatch(pattern, relative):
            return layer, group
    return None


def may_include(source, target):
    """None if the header `source` may include `target`, else the reason (both relative to include/etl)."""
    at, to = place(source), place(target)
    if at is None or to is None:
        return f"'{source if at is None else target}' is not in the table of layers (scripts/checks/rules.py)"
    if at[0] == COMPONENT_LAYER:
        if target.startswith("detail/"):
            return "a component may not include core's detail/"
        if to[0] == COMPONENT_LAYER and to[1] != at[1] and to[1] not in COMPONENTS[at[1]]:
            return f"component '{at[1]}' may not include component '{to[1]}'"
        return "the umbrella is for programs" if to[1] == "umbrella" else None
    if at[1] == "umbrella" and to[1] in UMBRELLA_REFUSES:
        return f"the umbrella may not include '{to[1]}'"
    if to[0] > at[0]:
        return f"'{at[1]}' (layer {at[0]}) stands below '{to[1]}' (layer {to[0]})"
    if to[0] == at[0] and to[1] != at[1]:
        return f"'{at[1]}' and '{to[1]}' stand beside each other"
    return None


def check_layers(root):
    """Who may include whom."""
    base = root / "include/etl"
    for path in sources(root, "include/etl"):
        relative = path.relative_to(base).as_posix()
        if place(relative) is None:
            yield f"{path}:1: its folder is not in the table of layers (scripts/checks/rules.py)"
            continue
        for line, name, angled in includes(path):
            if not angled:
                yield f"{path}:{line}: include our own headers as <etl/...>"
            elif name.startswith("etl/impl/"):
                # Where there is no library, a header includes what is otherwise compiled into it.
                if path.suffix != ".ipp" and HEADER_ONLY not in read(path):
                    yield f"{path}:{line}: <{name}>: only within {HEADER_ONLY}"
            elif name.startswith("etl/"):
                reason = may_include(relative, name.removeprefix("etl/"))
                if reason:
                    yield f"{path}:{line}: <{name}>: {reason}"
                if not (root / "include" / name).exists():
                    yield f"{path}:{line}: <{name}> does not exist"
    for path in sources(root, "src", "examples", "benchmarks"):
        for line, name, _ in includes(path):
            if name.startswith(("etl/detail/", "etl/impl/")) and path != root / "src/core/core.cpp":
                yield f"{path}:{line}: <{name}> is private to core"


def check_third_party(root):
    """Third-party headers only where allowed; concurrentqueue only in detail/intake/intake_queue.hpp."""
    base = root / "include/etl"
    for path in sources(root, "include/etl"):
        relative = path.relative_to(base).as_posix()
        for line, name, _ in includes(path):
            if name.startswith("etl/") or name in STANDARD or name in POSIX:
                continue
            if re.fullmatch(QUEUE_HEADER, name):
                if relative != QUEUE_FILE:
                    yield f"{path}:{line}: only {QUEUE_FILE} includes concurrentqueue"
            elif not re.fullmatch(THIRD_PARTY_IN_CORE, name):
                yield f"{path}:{line}: <{name}> is not allowed under include/"
        if relative != QUEUE_FILE:
            for line, _ in hits(path, without_comments(read(path), keep_strings=False), r"\bmoodycamel\b"):
                yield f"{path}:{line}: only {QUEUE_FILE} names concurrentqueue"


def check_one_catch_site(root):
    """`catch (...)` only in the guard around user callables."""
    for path in sources(root, "include"):
        if path == root / GUARD_FILE:
            continue
        for line, _ in hits(path, without_comments(read(path)), r"\bcatch\s*\(\s*\.\.\.\s*\)"):
            yield f"{path}:{line}: catch (...) belongs in {GUARD_FILE} alone"


def check_banned(root):
    """Features that the supported compilers lack or get wrong."""
    for path in sources(root, "include", "src"):
        text = without_comments(read(path), keep_strings=False)
        atomics = set(re.findall(r"\bstd::atomic(?:_flag|<[^;{}]*?>)\s+(\w+)", text))
        for pattern, why in BANNED.items():
            for line, _ in hits(path, text, pattern):
                yield f"{path}:{line}: {why}"
        for name in sorted(atomics):
            for line, _ in hits(path, text, rf"\b{name}\s*\.\s*(wait|notify_one|notify_all)\s*\("):
                yield f"{path}:{line}: atomic wait: libstdc++ 12 can lose a wake-up"


def check_macros(root):
    """ETL_* belongs to the Embedded Template Library: ours start with ETLPIPE_."""
    stand_in = root / "tests/install/embedded_template_library"
    users_of_both = root / "tests/install/beside"
    files = list(sources(root, "include", "src", "examples", "benchmarks", "tests", "cmake",
                         suffixes=(".hpp", ".h", ".cpp", ".cmake", ".in", ".txt")))
    for path in files + [root / "CMakeLists.txt", root / "CMakePresets.json"]:
        if not path.exists() or stand_in in path.parents or users_of_both in path.parents:
            continue
        for line, match in hits(path, read(path), r"\bETL_\w+"):
            yield f"{path}:{line}: {match.group(0)}: use ETLPIPE_"
    for path in sources(root, "include"):
        for line, match in hits(path, without_comments(read(path)), r"(?m)^[ \t]*#[ \t]*define[ \t]+(\w+)"):
            if not match.group(1).startswith("ETLPIPE_"):
                yield f"{path}:{line}: macro {match.group(1)} does not start with ETLPIPE_"


def check_pragma_once(root):
    """Each header starts with #pragma once."""
    for path in sources(root, "include", "tests/support", suffixes=(".hpp", ".h")):
        if not without_comments(read(path)).lstrip().startswith("#pragma once"):
            yield f"{path}:1: the first directive is not #pragma once"


def check_umbrella(root):
    """etl.hpp reaches, directly or not, core only, and every header of core but the test kit."""
    base, umbrella = root / "include/etl", root / "include/etl/etl.hpp"
    if not umbrella.exists():
        return
    reached, queue = {"etl.hpp": None}, ["etl.hpp"]
    while queue:
        current = queue.pop()
        for _, name, _ in includes(base / current):
            header = name.removeprefix("etl/")
            if name.startswith("etl/") and header not in reached and (base / header).exists():
                reached[header] = current
                queue.append(header)
    for header, by in reached.items():
        where = place(header)
        if where is None or where[0] == COMPONENT_LAYER or where[1] in UMBRELLA_REFUSES:
            yield f"{base / (by or header)}:1: pulls <etl/{header}> into the umbrella"
    for path in sources(root, "include/etl"):
        header = path.relative_to(base).as_posix()
        where = place(header)
        if where and "/" not in header and header not in reached:
            yield f"{umbrella}:1: does not include <etl/{header}>"


def check_light_headers(root):
    """What a file with a pipeline has to read: no third-party header but two, and few of the standard library."""
    base = root / "include/etl"
    reached, queue = {"etl.hpp"}, ["etl.hpp"]
    while queue:
        current = queue.pop()
        if not (base / current).exists():
            continue
        for line, name, _ in includes(base / current):
            if name.startswith("etl/impl/"):
                continue  # of the header-only core
            if name.startswith("etl/"):
                header = name.removeprefix("etl/")
                if header not in reached:
                    reached.add(header)
                    queue.append(header)
            elif name not in LIGHT and not (current == QUEUE_FILE and re.fullmatch(QUEUE_HEADER, name)):
                yield f"{base / current}:{line}: <{name}> is read by every user of the core: move what needs it to impl/"


def check_versions(root):
    """One version in config.hpp, CHANGELOG.md, vcpkg.json and the vcpkg port."""
    config = root / "include/etl/config.hpp"
    text = read(config)
    parts = [re.search(rf"#define ETLPIPE_VERSION_{p} (\d+)", text) for p in ("MAJOR", "MINOR", "PATCH")]
    if not all(parts):
        yield f"{config}:1: ETLPIPE_VERSION_MAJOR, _MINOR and _PATCH are not all defined"
        return
    version = ".".join(p.group(1) for p in parts)
    found = {}
    spelled = re.search(r'#define ETLPIPE_VERSION "([^"]*)"', text)
    if spelled:
        found[config] = spelled.group(1)
    top = re.search(r"(?m)^## \[(\d[^\]]*)\]", read(root / "CHANGELOG.md"))
    found[root / "CHANGELOG.md"] = top.group(1) if top else "no version heading"
    for manifest in [root / "vcpkg.json", *root.glob("packaging/vcpkg/ports/*/vcpkg.json")]:
        if manifest.exists():
            found[manifest] = json.loads(read(manifest)).get("version", "no version")
    for path, other in found.items():
        if other != version:
            yield f"{path}:1: version {other}, but config.hpp says {version}"


def check_no_sleep(root):
    """Tests wait for conditions or move a virtual clock; they do not sleep."""
    for path in sources(root, "tests"):
        for line, match in hits(path, read(path), r"\b(sleep_for|sleep_until|u?sleep\s*\(|nanosleep)"):
            yield f"{path}:{line}: {match.group(1)}: use the virtual clock, a latch, or a wait on a condition"


def check_test_names(root):
    """CMake reads a list of names at each `;`: a test case with one in its name would never be run by ctest."""
    for path in sources(root, "tests"):
        for line, match in hits(path, read(path), r'\bTEST_CASE\(\s*"((?:[^"\\]|\\.)*)"'):
            if ";" in match.group(1):
                yield f"{path}:{line}: a test case with ';' in its name is never run by ctest"


def check_docs(root):
    """A C++ block below <!-- FILE --> stands, line by line, in that file ("..." for what is left out); any other C++ block
    says <!-- not compiled -->. It calls nothing that only tests have. Links to files of the tree lead somewhere."""
    def dense(text):
        return re.sub(r"\s+", "", without_comments(text))

    for path in [root / "README.md", root / "CONTRIBUTING.md", *sorted((root / "docs").rglob("*.md"))]:
        if not path.exists():
            continue
        text = read(path)
        for line, block in hits(path, text, r"(?m)^(?:<!-- (.+?) -->\n)?```cpp\n((?:.*\n)*?)```"):
            mark, code = block.groups()
            if mark == "not compiled":
                continue
            if not mark or not (root / mark).is_file():
                yield f"{path}:{line}: a C++ block needs <!-- FILE --> above it, with a file that holds its code"
                continue
            for number, name in hits(path, code, r"\btest::\w+"):
                yield f"{path}:{line + 1 + number}: {name.group(0)} is not shipped: a reader cannot call it"
            whole = dense(read(root / mark))
            for number, text_line in enumerate(without_comments(code).splitlines(), line + 2):
                if text_line.strip() != "..." and dense(text_line) not in whole:
                    yield f"{path}:{number}: not in {mark}: {text_line.strip()}"
        for line, link in hits(path, re.sub(r"(?ms)^```.*?^```", lambda m: re.sub(r"[^\n]", " ", m.group(0)), text),
                               r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)"):
            target = link.group(1)
            if "://" not in target and not (path.parent / target).exists():
                yield f"{path}:{line}: the link leads nowhere: {target}"


def check_size(root):
    """Headers are short: a note above LINES_WARN lines, a failure above LINES_FAIL."""
    sizes = sorted((read(p).count("\n"), p) for p in sources(root, "include", suffixes=(".hpp",)))
    if sizes:
        print(f"{len(sizes)} headers, median {sizes[len(sizes) // 2][0]} lines, longest {sizes[-1][0]}")
    for lines, path in reversed(sizes):
        if lines > LINES_FAIL:
            yield f"{path}:1: {lines} lines, more than {LINES_FAIL}: one concept per header"
        elif lines > LINES_WARN:
            print(f"note: {path}: {lines} lines (most stay under {LINES_WARN})")


CHECKS = {name.removeprefix("check_"): f for name, f in list(globals().items()) if name.startswith("check_")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("--list", action="store_true", help="print the names of the checks")
    parser.add_argument("names", nargs="*", metavar="NAME", help="the checks to run (default: all)")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(CHECKS))
        return 0
    unknown = set(arguments.names) - set(CHECKS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    broken = 0
    for name in arguments.names or CHECKS:
        for problem in CHECKS[name](arguments.root):
            print(f"{problem}  [{name}]")
            broken += 1
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
