# Finds Intel's ISA-L (isa-l/igzip_lib.h, libisal): target IsaL::isal, variables IsaL_FOUND, IsaL_VERSION,
# IsaL_INCLUDE_DIR, IsaL_LIBRARY.
find_path(IsaL_INCLUDE_DIR NAMES isa-l/igzip_lib.h)
find_library(IsaL_LIBRARY NAMES isal)
mark_as_advanced(IsaL_INCLUDE_DIR IsaL_LIBRARY)

set(IsaL_VERSION "")
if(EXISTS "${IsaL_INCLUDE_DIR}/isa-l.h")
  foreach(_isal_part MAJOR MINOR PATCH)
    file(STRINGS "${IsaL_INCLUDE_DIR}/isa-l.h" _isal_line REGEX "^#define ISAL_${_isal_part}_VERSION [0-9]+")
    string(REGEX MATCH "[0-9]+$" _isal_number "${_isal_line}")
    list(APPEND IsaL_VERSION ${_isal_number})
  endforeach()
  list(JOIN IsaL_VERSION "." IsaL_VERSION)
  unset(_isal_part)
  unset(_isal_line)
  unset(_isal_number)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(IsaL REQUIRED_VARS IsaL_LIBRARY IsaL_INCLUDE_DIR VERSION_VAR IsaL_VERSION)
if(IsaL_FOUND AND NOT TARGET IsaL::isal)
  add_library(IsaL::isal UNKNOWN IMPORTED)
  set_target_properties(IsaL::isal PROPERTIES IMPORTED_LOCATION "${IsaL_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES
                                                                                  "${IsaL_INCLUDE_DIR}")
endif()
