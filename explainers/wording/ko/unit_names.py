"""How units are said in Korean: data for :mod:`ifonly.explainers.wording.ko.spoken_units`."""

from __future__ import annotations

PLANT = {
    # Read otherwise by Pint (pH: picohenry), unknown to it, or written as one word.
    "Nm": "뉴턴미터", "N·m": "뉴턴미터", "kNm": "킬로뉴턴미터", "Nm³": "노멀세제곱미터",
    "rpm": "알피엠", "r/min": "알피엠", "RPM": "알피엠", "pH": "피에이치", "PS": "마력",
    "hp": "마력", "HP": "마력", "ppm": "피피엠", "ppb": "피피비", "psi": "피에스아이",
    "psig": "피에스아이", "barg": "바", "bara": "바", "bar(g)": "바", "bar(a)": "바",
    "kPag": "킬로파스칼", "MPag": "메가파스칼", "kgf": "킬로그램힘", "tf": "톤힘",
    "kgf/cm²": "킬로그램힘 퍼 제곱센티미터", "mmH2O": "밀리미터아쿠아", "mmAq": "밀리미터아쿠아",
    "mmHg": "밀리미터에이치지", "inHg": "인치에이치지", "dBm": "데시벨미터", "dBA": "데시벨에이",
    "dB(A)": "데시벨에이", "cc": "시시", "%p": "퍼센트포인트", "%RH": "퍼센트", "wt%": "퍼센트",
    "vol%": "퍼센트", "mol%": "퍼센트", "°": "도", "℃": "도", "℉": "도", "°C": "도", "°F": "도",
    "degC": "도", "degF": "도", "ea": "이에이", "EA": "이에이", "VA": "볼트암페어",
    "kVA": "킬로볼트암페어", "MVA": "메가볼트암페어", "var": "바", "kvar": "킬로바", "ton": "톤",
    "t": "톤", "Ah": "암페어시", "mAh": "밀리암페어시", "fps": "에프피에스", "spm": "에스피엠",
    "cpm": "시피엠", "cfm": "시에프엠", "CFM": "시에프엠", "lpm": "엘피엠", "LPM": "엘피엠",
    "gpm": "지피엠", "CMM": "시엠엠", "CMH": "시엠에이치", "Hv": "에이치브이", "HRC": "에이치알시",
    "cSt": "센티스토크스", "NTU": "엔티유", "m/s²": "미터 퍼 세컨드 제곱", "G": "지", "g": "그램",
    "inch": "인치", "in": "인치", "ft": "피트", "gal": "갤런", "cd": "칸델라",
}  # fmt: skip

ALONE = frozenset(
    "rpm RPM kW MW GW kWh MWh Wh kV mV kA mA kPa MPa GPa hPa bar mbar barg psi Hz kHz MHz GHz "
    "dB dBA Nm kN kNm mm cm km μm µm nm kg mg μg µg mL ml ppm ppb °C °F ℃ ℉ m² m³ Nm³ mm² cm² "
    "cm³ mmHg kcal kJ MJ mol kmol kHz kVA MVA mg/m³ μg/m³ g/m³ kg/m³ m/s mm/s m³/h L/min %p "
    "N·m %RH wt% vol%".split()
)
"""Unmistakable even without a number: nothing but a unit is written so."""

PREFIXES = {
    "": "", "yotta": "요타", "zetta": "제타", "exa": "엑사", "peta": "페타", "tera": "테라",
    "giga": "기가", "mega": "메가", "kilo": "킬로", "hecto": "헥토", "deca": "데카",
    "deci": "데시", "centi": "센티", "milli": "밀리", "micro": "마이크로", "nano": "나노",
    "pico": "피코", "femto": "펨토", "atto": "아토", "kibi": "키비", "mebi": "메비",
    "gibi": "기비",
}  # fmt: skip

UNITS = {
    # Pint's names.
    "meter": "미터", "gram": "그램", "metric_ton": "톤", "ton": "톤", "second": "초",
    "minute": "분", "hour": "시간", "day": "일", "week": "주", "month": "개월", "year": "년",
    "ampere": "암페어", "kelvin": "켈빈", "mole": "몰", "candela": "칸델라",
    "degree_Celsius": "도", "degree_Fahrenheit": "도", "degree": "도", "radian": "라디안",
    "steradian": "스테라디안", "hertz": "헤르츠", "newton": "뉴턴", "pascal": "파스칼",
    "bar": "바", "joule": "줄", "watt": "와트", "watt_hour": "와트시", "coulomb": "쿨롬",
    "volt": "볼트", "farad": "패럿", "henry": "헨리", "ohm": "옴", "siemens": "지멘스",
    "weber": "웨버", "tesla": "테슬라", "gauss": "가우스", "lumen": "루멘", "lux": "럭스",
    "becquerel": "베크렐", "gray": "그레이", "sievert": "시버트", "katal": "카탈",
    "liter": "리터", "calorie": "칼로리", "inch": "인치", "foot": "피트", "yard": "야드",
    "mile": "마일", "pound": "파운드", "ounce": "온스", "gallon": "갤런", "horsepower": "마력",
    "metric_horsepower": "마력", "pound_force_per_square_inch": "피에스아이",
    "pound_force": "파운드힘", "kilogram_force": "킬로그램힘",
    "standard_atmosphere": "기압", "torr": "토르", "poise": "푸아즈", "stokes": "스토크스",
    "electron_volt": "전자볼트", "percent": "퍼센트", "permille": "퍼밀", "ppm": "피피엠",
    "decibel": "데시벨", "decibelmilliwatt": "데시벨미터", "bit": "비트", "byte": "바이트",
    "revolutions_per_minute": "알피엠",
    "cubic_centimeter": "시시", "volt_ampere": "볼트암페어", "knot": "노트", "hectare": "헥타르",
    "angstrom": "옹스트롬", "micron": "미크론", "arcminute": "분", "arcsecond": "초",
    "british_thermal_unit": "비티유", "revolutions_per_second": "알피에스",
    "number_meter": "뉴턴미터", "denier": "데니어",
}  # fmt: skip

PER = {"second": "세컨드", "minute": "미닛", "hour": "아워", "day": "데이"}
"""What is read otherwise behind 퍼: 밀리미터 퍼 세컨드."""

LENGTHS = frozenset({"meter", "inch", "foot", "yard", "mile"})
"""Their powers are said in front: 제곱미터, 세제곱미터."""
