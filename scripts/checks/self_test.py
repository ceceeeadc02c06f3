#!/usr/bin/env python3
"""Shows that each check in rules.py can fail: a good small tree passes, and each broken one is reported by its check.
The same for the mutants' table and for the API reference, where Doxygen is installed."""
import json
import pathlib
import shutil
import sys
import tempfile

import reference
import rules

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import mutants  # noqa: E402
from mutants_table import Mutant  # noqa: E402

CONFIG = """#pragma once
#define ETLPIPE_VERSION_MAJOR 1
#define ETLPIPE_VERSION_MINOR 2
#define ETLPIPE_VERSION_PATCH 3
#define ETLPIPE_VERSION "1.2.3"
"""
GOOD = {
    "include/etl/config.hpp": CONFIG,
    "include/etl/error.hpp": "#pragma once\n#include <string>\n#include <tl/expected.hpp>\n#include <etl/config.hpp>\n",
    "include/etl/detail/meta/guard.hpp": "#pragma once\nvoid f() { try {} catch (...) {} }\n",
    "include/etl/detail/intake/intake_queue.hpp":
        "#pragma once\n#include <concurrentqueue/concurrentqueue.h>\nusing Q = moodycamel::ConcurrentQueue<int>;\n",
    "include/etl/bucket.hpp": "#pragma once\n#include <etl/detail/intake/intake_queue.hpp>\n#include <etl/error.hpp>\n",
    "include/etl/run.hpp": "#pragma once\n// co_await and std::format may be named in a comment\n#include <etl/bucket.hpp>\n",
    "include/etl/etl.hpp": "#pragma once\n#include <etl/run.hpp>\n",
    "include/etl/http/client.hpp": "#pragma once\n#include <etl/error.hpp>\n",
    "include/etl/s3/store.hpp": "#pragma once\n#include <etl/http/client.hpp>\n",
    "include/etl/testing/faults.hpp": "#pragma once\n#include <etl/run.hpp>\n",
    "tests/unit/error_test.cpp": "#include <etl/error.hpp>\n",
    "examples/01_hello.cpp": "#include <etl/etl.hpp>\nint main() {}\n",
    "README.md": "# etl\n<!-- examples/01_hello.cpp -->\n```cpp\nint main()\n{} // works\n```\n[log](CHANGELOG.md#top)\n"
                 "<!-- not compiled -->\n```cpp\nint x;\n```\n",
    "CHANGELOG.md": "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-01-01\n",
    "vcpkg.json": json.dumps({"name": "etlpipe", "version": "1.2.3"}),
}
ONCE = "#pragma once\n"
BROKEN = [  # (check, file, text, part of the message)
    ("layers", "include/etl/error.hpp", ONCE + "#include <etl/run.hpp>\n", "stands below 'run'"),
    ("layers", "include/etl/bucket.hpp", ONCE + "#include <etl/run.hpp>\n", "stands below 'run'"),
    ("layers", "include/etl/run.hpp", ONCE + "#include <etl/etl.hpp>\n", "stands below 'umbrella'"),
    ("layers", "include/etl/policy/retry.hpp", ONCE + "#include <etl/bucket.hpp>\n", "stands below 'bucket'"),
    ("layers", "include/etl/executor.hpp", ONCE + "#include <etl/delivery/checkpoint.hpp>\n", "beside each other"),
    ("layers", "include/etl/detail/intake/slots.hpp", ONCE + "#include <etl/bucket.hpp>\n", "stands below 'bucket'"),
    ("layers", "include/etl/run.hpp", ONCE + "#include <etl/testing/faults.hpp>\n", "stands below 'testing'"),
    ("layers", "include/etl/etl.hpp", ONCE + "#include <etl/testing/faults.hpp>\n", "umbrella may not"),
    ("layers", "include/etl/run.hpp", ONCE + "#include <etl/s3/store.hpp>\n", "stands below 's3'"),
    ("layers", "include/etl/http/client.hpp", ONCE + "#include <etl/s3/store.hpp>\n", "may not include component 's3'"),
    ("layers", "include/etl/s3/store.hpp", ONCE + "#include <etl/detail/meta/guard.hpp>\n", "core's detail/"),
    ("layers", "include/etl/novel/thing.hpp", ONCE, "not in the table"),
    ("layers", "include/etl/run.hpp", ONCE + "#include <etl/gone.hpp>\n", "does not exist"),
    ("layers", "include/etl/run.hpp", ONCE + '#include "bucket.hpp"\n', "as <etl/...>"),
    ("layers", "examples/01_hello.cpp", "#include <etl/detail/meta/guard.hpp>\n", "private to core"),
    ("third_party", "include/etl/error.hpp", ONCE + "#include <zlib.h>\n", "not allowed under include/"),
    ("third_party", "include/etl/error.hpp", ONCE + "#include <boost/json.hpp>\n", "not allowed under include/"),
    ("third_party", "include/etl/bucket.hpp", ONCE + "#include <moodycamel/concurrentqueue.h>\n", "only detail/intake"),
    ("third_party", "include/etl/bucket.hpp", ONCE + "moodycamel::ConcurrentQueue<int> q;\n", "names concurrentqueue"),
    ("one_catch_site", "include/etl/run.hpp", ONCE + "void f() { try {} catch ( ... ) {} }\n", "catch (...)"),
    ("banned", "include/etl/run.hpp", ONCE + "auto f() { co_await x; }\n", "coroutines"),
    ("banned", "include/etl/run.hpp", ONCE + 'auto s = std::format("{}", 1);\n', "std::format"),
    ("banned", "include/etl/run.hpp", ONCE + "std::expected<int, int> e;\n", "std::expected"),
    ("banned", "include/etl/run.hpp", ONCE + "std::counting_semaphore<4> s{0};\n", "semaphores"),
    ("banned", "include/etl/run.hpp", ONCE + "#include <semaphore>\n", "banned feature"),
    ("banned", "include/etl/run.hpp", ONCE + "std::atomic<bool> go; void f() { go.wait(false); }\n", "atomic wait"),
    ("banned", "include/etl/run.hpp", ONCE + "std::atomic_flag go; void f() { go.notify_all(); }\n", "atomic wait"),
    ("macros", "include/etl/run.hpp", ONCE + "#define ETL_RUN 1\n", "ETL_RUN"),
    ("macros", "include/etl/run.hpp", ONCE + "#define RUN 1\n", "does not start with ETLPIPE_"),
    ("macros", "tests/unit/error_test.cpp", "#ifdef ETL_VERSION\n#endif\n", "ETL_VERSION"),
    ("pragma_once", "include/etl/run.hpp", "#include <etl/bucket.hpp>\n", "#pragma once"),
    ("umbrella", "include/etl/run.hpp", ONCE + "#include <etl/s3/store.hpp>\n", "into the umbrella"),
    ("umbrella", "include/etl/etl.hpp", ONCE + "#include <etl/bucket.hpp>\n", "does not include <etl/run.hpp>"),
    ("light_headers", "include/etl/bucket.hpp", ONCE + "#include <fmt/format.h>\n", "every user of the core"),
    ("light_headers", "include/etl/error.hpp", ONCE + "#include <iostream>\n", "every user of the core"),
    ("versions", "CHANGELOG.md", "# Changelog\n\n## [1.2.2]\n", "version 1.2.2"),
    ("versions", "CHANGELOG.md", "# Changelog\n", "no version heading"),
    ("versions", "vcpkg.json", json.dumps({"version": "1.2.4"}), "version 1.2.4"),
    ("versions", "include/etl/config.hpp", CONFIG.replace('"1.2.3"', '"1.2.0"'), "version 1.2.0"),
    ("versions", "include/etl/config.hpp", ONCE, "not all defined"),
    ("no_sleep", "tests/unit/error_test.cpp", "void f() { std::this_thread::sleep_for(1s); }\n", "sleep_for"),
    ("no_sleep", "tests/unit/error_test.cpp", "void f() { usleep(1); }\n", "usleep"),
    ("test_names", "tests/unit/error_test.cpp", 'TEST_CASE("one; two") {}\n', "never run"),
    ("docs", "README.md", "```cpp\nint main() {}\n```\n", "needs <!-- FILE -->"),
    ("docs", "README.md", "<!-- examples/02_gone.cpp -->\n```cpp\nint main() {}\n```\n", "needs <!-- FILE -->"),
    ("docs", "README.md", "<!-- examples/01_hello.cpp -->\n```cpp\nint main() { return 1; }\n```\n", "not in examples/01"),
    ("docs", "README.md", "<!-- examples/01_hello.cpp -->\n```cpp\nint n = test::ok(f());\n```\n", "test::ok is not shipped"),
    ("docs", "README.md", "[guide](docs/guide.md)\n", "leads nowhere"),
    ("size", "include/etl/run.hpp", ONCE + "\n" * (rules.LINES_FAIL + 1), "one concept per header"),
]

WIDGET = """#pragma once
/// About widgets.

namespace etl::inline v0 {

/// A widget, made by `make`.
class Widget {
 public:
  Widget() = default;
  /// Its weight in grams.
  [[nodiscard]] int weight() const noexcept;
  [[nodiscard]] int weight(bool rounded) const noexcept;
};

/// Makes a `Widget`.
Widget make(int size);

}  // namespace etl::inline v0
"""
BROKEN_REFERENCE = [  # (text of the header, text in its place, part of the message)
    ("/// A widget, made by `make`.\n", "", "widget.hpp:6: etl::Widget has no comment"),
    ("  /// Its weight in grams.\n", "", "etl::Widget::weight() const noexcept has no comment"),
    ("/// Makes a `Widget`.\n", "", "etl::make(int size) has no comment"),
    ("A widget, made", "A \\ref widget::of, made", "widget::of"),
]


def problems(check, files):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        return list(rules.CHECKS[check](root))


def mutant(number, text, instead):
    return Mutant(number, "f.hpp", (), "G1", (), "", text, instead, False, "")


def mutant_problems():
    less, more = mutant(1, "if (⟦a < b⟧) f();", "a <= b"), mutant(2, "if (⟦a < b⟧)", "false")
    call, beside = mutant(3, "⟦f();⟧", ";"), mutant(4, "⟦(a < b) f();⟧", ";")
    source = "if (a <\n    b) f();"
    made = mutants.rewritten("f.hpp", [call, less, more], source)
    wanted = ("if ((::etlpipe_mutant(1) ? (a <= b) : ((::etlpipe_mutant(2) ? (false) : (a <\n    b))))) "
              "{ if (::etlpipe_mutant(3)) { ; } else { f(); } }")
    if made != wanted:
        yield f"mutants.py makes {made} of {source}"
    for those, text in (([less], ""), ([less], source + source), ([less], "if (a > b) f();"), ([less, beside], source)):
        try:
            yield f"mutants.py accepts {text!r}: {mutants.rewritten('f.hpp', those, text)}"
        except ValueError:
            pass


def reference_problems():
    """A small tree with one header, documented and not."""
    def faults(header):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            shutil.copytree(pathlib.Path(__file__).resolve().parents[2] / "docs/reference", root / "docs/reference")
            (root / "docs/reference/mainpage.dox").write_text("/// \\mainpage etl\n\n/// \\namespace etl\n/// All of it.\n")
            for plugin in ("csv", "uniprot", "druid"):
                (root / f"examples/{plugin}/include").mkdir(parents=True)
            (root / "include/etl").mkdir(parents=True)
            (root / "include/etl/config.hpp").write_text(CONFIG)
            (root / "include/etl/widget.hpp").write_text(header)
            return reference.faults(root, root / "build")

    if found := faults(WIDGET):
        yield f"reference.py complains about the good header: {found}"
    for text, instead, expected in BROKEN_REFERENCE:
        found = faults(WIDGET.replace(text, instead))
        if not any(expected in fault for fault in found):
            yield f"reference.py does not report {instead!r} for {text!r} as {expected!r}, but {found}"


def main():
    failures = list(mutant_problems())
    if shutil.which("doxygen"):
        failures += reference_problems()
    for check in rules.CHECKS:
        found = problems(check, GOOD)
        if found:
            failures.append(f"{check} complains about the good tree: {found}")
        if not any(check == broken[0] for broken in BROKEN):
            failures.append(f"{check} has no broken tree: nothing shows that it can fail")
    for check, name, text, expected in BROKEN:
        found = problems(check, {**GOOD, name: text})
        if not any(expected in problem for problem in found):
            failures.append(f"{check} does not report {name} with {text!r} as {expected!r}, but {found}")
    print("\n".join(failures) or f"{len(rules.CHECKS)} checks, each seen to fail: {len(BROKEN)} broken trees")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
