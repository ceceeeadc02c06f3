# Finds standalone Asio (header-only): target asio::asio, variables Asio_FOUND, Asio_VERSION, Asio_INCLUDE_DIR.
# Debian's libasio-dev ships neither a CMake nor a pkg-config file; vcpkg and Conan ship a config, taken first.
if(NOT TARGET asio::asio)
  find_package(asio CONFIG QUIET)
endif()

if(TARGET asio::asio)
  get_target_property(_asio_hints asio::asio INTERFACE_INCLUDE_DIRECTORIES)
endif()
find_path(
  Asio_INCLUDE_DIR
  NAMES asio/version.hpp
  HINTS ${_asio_hints})
mark_as_advanced(Asio_INCLUDE_DIR)
unset(_asio_hints)

if(Asio_INCLUDE_DIR)
  file(STRINGS "${Asio_INCLUDE_DIR}/asio/version.hpp" _asio_line REGEX "^#define ASIO_VERSION [0-9]+")
  string(REGEX MATCH "[0-9]+" _asio_number "${_asio_line}")
  math(EXPR _asio_major "${_asio_number} / 100000")
  math(EXPR _asio_minor "${_asio_number} / 100 % 1000")
  math(EXPR _asio_patch "${_asio_number} % 100")
  set(Asio_VERSION ${_asio_major}.${_asio_minor}.${_asio_patch})
elseif(asio_VERSION)
  set(Asio_VERSION ${asio_VERSION})
endif()

include(FindPackageHandleStandardArgs)
if(TARGET asio::asio)
  set(Asio_TARGET asio::asio)
  find_package_handle_standard_args(Asio REQUIRED_VARS Asio_TARGET VERSION_VAR Asio_VERSION)
else()
  find_package_handle_standard_args(Asio REQUIRED_VARS Asio_INCLUDE_DIR VERSION_VAR Asio_VERSION)
  if(Asio_FOUND)
    add_library(asio::asio INTERFACE IMPORTED)
    set_target_properties(asio::asio PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${Asio_INCLUDE_DIR}")
  endif()
endif()
