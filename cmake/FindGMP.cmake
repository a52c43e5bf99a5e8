# Finds the GNU multiple precision library.
#   GMP::GMP        the imported target
#   GMP_VERSION     read from gmp.h
# Look elsewhere with -DGMP_ROOT=/path.

find_path(GMP_INCLUDE_DIR gmp.h)
find_library(GMP_LIBRARY gmp)

# Debian's multiarch gmp.h is in a directory of its own, so read whatever file was found.
if(GMP_INCLUDE_DIR)
  foreach(part VERSION VERSION_MINOR VERSION_PATCHLEVEL)
    file(STRINGS "${GMP_INCLUDE_DIR}/gmp.h" line REGEX "define __GNU_MP_${part} " LIMIT_COUNT 1)
    string(REGEX MATCH "[0-9]+ *$" number "${line}")
    string(STRIP "${number}" number)
    list(APPEND numbers "${number}")
  endforeach()
  string(REPLACE ";" "." GMP_VERSION "${numbers}")
  unset(numbers)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(GMP
  REQUIRED_VARS GMP_LIBRARY GMP_INCLUDE_DIR
  VERSION_VAR GMP_VERSION
  REASON_FAILURE_MESSAGE "Install it: apt-get install libgmp-dev")

if(GMP_FOUND AND NOT TARGET GMP::GMP)
  add_library(GMP::GMP UNKNOWN IMPORTED)
  set_target_properties(GMP::GMP PROPERTIES
    IMPORTED_LOCATION "${GMP_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${GMP_INCLUDE_DIR}")
endif()
mark_as_advanced(GMP_INCLUDE_DIR GMP_LIBRARY)
