# Finds FreeXL (freexl.h, libfreexl): target FreeXL::freexl, variables FreeXL_FOUND, FreeXL_INCLUDE_DIR, FreeXL_LIBRARY.
find_path(FreeXL_INCLUDE_DIR NAMES freexl.h)
find_library(FreeXL_LIBRARY NAMES freexl)
mark_as_advanced(FreeXL_INCLUDE_DIR FreeXL_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(FreeXL REQUIRED_VARS FreeXL_LIBRARY FreeXL_INCLUDE_DIR)
if(FreeXL_FOUND AND NOT TARGET FreeXL::freexl)
  add_library(FreeXL::freexl UNKNOWN IMPORTED)
  set_target_properties(FreeXL::freexl PROPERTIES IMPORTED_LOCATION "${FreeXL_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES
                                                                                        "${FreeXL_INCLUDE_DIR}")
endif()
