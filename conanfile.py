"""Conan 2 recipe. Core and its header-only form, each a component."""
import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load, rmdir

required_conan_version = ">=2.0"


class EtlpipeConan(ConanFile):
    name = "etlpipe"
    description = "Extract-Transform-Load pipelines for C++20"
    license = "MIT"
    topics = ("etl", "pipeline", "batch")
    package_type = "library"
    settings = "os", "compiler", "build_type", "arch"
    options = {"shared": [True, False], "fPIC": [True, False]}
    default_options = {"shared": False, "fPIC": True}
    implements = ["auto_shared_fpic"]
    exports_sources = "CMakeLists.txt", "LICENSE", "cmake/*", "include/*", "src/*", "!*/build/*"

    def set_version(self):
        config = load(self, os.path.join(self.recipe_folder, "include", "etl", "config.hpp"))
        self.version = ".".join(
            re.search(rf"#define ETLPIPE_VERSION_{part} (\d+)", config).group(1) for part in ("MAJOR", "MINOR", "PATCH"))

    def requirements(self):
        self.requires("asio/[>=1.22 <2]", transitive_headers=True)
        self.requires("concurrentqueue/[>=1.0.3 <2]", transitive_headers=True)
        self.requires("fmt/[>=9]", transitive_headers=True)
        self.requires("tl-expected/[>=1.0 <2]", transitive_headers=True)

    def validate(self):
        check_min_cppstd(self, 20)

    def layout(self):
        cmake_layout(self)

    def generate(self):
        toolchain = CMakeToolchain(self)
        for option in ("TESTS", "EXAMPLES", "BENCHMARKS"):
            toolchain.cache_variables[f"ETLPIPE_BUILD_{option}"] = False
        toolchain.cache_variables["ETLPIPE_INSTALL"] = True
        toolchain.cache_variables["ETLPIPE_COMPONENTS"] = ""  # core alone, so far
        toolchain.generate()
        CMakeDeps(self).generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        CMake(self).install()
        # Conan writes these itself, from package_info.
        rmdir(self, os.path.join(self.package_folder, "lib", "cmake"))
        rmdir(self, os.path.join(self.package_folder, "lib", "pkgconfig"))
        rmdir(self, os.path.join(self.package_folder, "share"))

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "etlpipe")
        for name in ("core", "core_header_only"):
            core = self.cpp_info.components[name]
            core.set_property("cmake_target_name", f"etlpipe::{name}")
            core.set_property("pkg_config_name", "etlpipe-" + name.replace("_", "-"))
            core.bindirs = []
            core.defines = ["ASIO_STANDALONE"]
            core.requires = ["asio::asio", "concurrentqueue::concurrentqueue", "fmt::fmt", "tl-expected::tl-expected"]
            if self.settings.get_safe("os") in ("Linux", "FreeBSD"):
                core.system_libs = ["pthread"]
        self.cpp_info.components["core"].libs = ["etlpipe_core"]
        self.cpp_info.components["core"].defines.append("ETLPIPE_COMPILED_CORE")
        self.cpp_info.components["core_header_only"].libdirs = []
