# Finds libzip (zip.h, libzip): target LibZip::libzip, variables LibZip_FOUND, LibZip_VERSION, LibZip_INCLUDE_DIR,
# LibZip_LIBRARY. Its own package file asks for programs of libzip that Debian packages apart.
find_path(LibZip_INCLUDE_DIR NAMES zip.h)
find_path(LibZip_CONFIG_INCLUDE_DIR NAMES zipconf.h HINTS ${LibZip_INCLUDE_DIR})
find_library(LibZip_LIBRARY NAMES zip)
mark_as_advanced(LibZip_INCLUDE_DIR LibZip_CONFIG_INCLUDE_DIR LibZip_LIBRARY)

set(LibZip_VERSION "")
if(EXISTS "${LibZip_CONFIG_INCLUDE_DIR}/zipconf.h")
  file(STRINGS "${LibZip_CONFIG_INCLUDE_DIR}/zipconf.h" _libzip_line REGEX "^#define LIBZIP_VERSION \"")
  string(REGEX MATCH "[0-9.]+" LibZip_VERSION "${_libzip_line}")
  unset(_libzip_line)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  LibZip REQUIRED_VARS LibZip_LIBRARY LibZip_INCLUDE_DIR LibZip_CONFIG_INCLUDE_DIR VERSION_VAR LibZip_VERSION)
if(LibZip_FOUND AND NOT TARGET LibZip::libzip)
  add_library(LibZip::libzip UNKNOWN IMPORTED)
  set_target_properties(
    LibZip::libzip PROPERTIES IMPORTED_LOCATION "${LibZip_LIBRARY}"
                              INTERFACE_INCLUDE_DIRECTORIES "${LibZip_INCLUDE_DIR};${LibZip_CONFIG_INCLUDE_DIR}")
endif()
