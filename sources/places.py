"""Where the operator's customers live: cities of Egypt with region, coordinates and a weight."""

from dataclasses import dataclass


@dataclass(frozen=True)
class City:
    """One city; `weight` is about its people in thousands, so that big cities get more users and cells."""

    name: str
    region: str
    latitude: float
    longitude: float
    weight: int
    arabic_name: str


CITIES = (
    City("Cairo", "Greater Cairo", 30.0444, 31.2357, 10_100, "القاهرة"),
    City("Giza", "Greater Cairo", 30.0131, 31.2089, 4_500, "الجيزة"),
    City("Shubra El Kheima", "Greater Cairo", 30.1286, 31.2422, 1_240, "شبرا الخيمة"),
    City("6th of October", "Greater Cairo", 29.9361, 30.9269, 650, "السادس من أكتوبر"),
    City("New Cairo", "Greater Cairo", 30.0300, 31.4700, 600, "القاهرة الجديدة"),
    City("Alexandria", "Alexandria and North Coast", 31.2001, 29.9187, 5_400, "الإسكندرية"),
    City("Marsa Matruh", "Alexandria and North Coast", 31.3543, 27.2373, 220, "مرسى مطروح"),
    City("Damanhur", "Delta", 31.0341, 30.4682, 300, "دمنهور"),
    City("Tanta", "Delta", 30.7865, 31.0004, 520, "طنطا"),
    City("El Mahalla El Kubra", "Delta", 30.9697, 31.1669, 540, "المحلة الكبرى"),
    City("Mansoura", "Delta", 31.0409, 31.3785, 620, "المنصورة"),
    City("Zagazig", "Delta", 30.5877, 31.5020, 400, "الزقازيق"),
    City("Damietta", "Delta", 31.4165, 31.8133, 340, "دمياط"),
    City("Kafr El Sheikh", "Delta", 31.1107, 30.9388, 230, "كفر الشيخ"),
    City("Shibin El Kom", "Delta", 30.5503, 31.0106, 240, "شبين الكوم"),
    City("Banha", "Delta", 30.4591, 31.1786, 200, "بنها"),
    City("Port Said", "Suez Canal", 31.2653, 32.3019, 780, "بورسعيد"),
    City("Ismailia", "Suez Canal", 30.5965, 32.2715, 420, "الإسماعيلية"),
    City("Suez", "Suez Canal", 29.9668, 32.5498, 760, "السويس"),
    City("Fayoum", "Upper Egypt", 29.3084, 30.8428, 480, "الفيوم"),
    City("Beni Suef", "Upper Egypt", 29.0661, 31.0994, 290, "بني سويف"),
    City("Minya", "Upper Egypt", 28.1099, 30.7503, 320, "المنيا"),
    City("Asyut", "Upper Egypt", 27.1809, 31.1837, 520, "أسيوط"),
    City("Sohag", "Upper Egypt", 26.5591, 31.6957, 260, "سوهاج"),
    City("Qena", "Upper Egypt", 26.1551, 32.7160, 250, "قنا"),
    City("Luxor", "Upper Egypt", 25.6872, 32.6396, 480, "الأقصر"),
    City("Aswan", "Upper Egypt", 24.0889, 32.8998, 370, "أسوان"),
    City("Hurghada", "Red Sea and Sinai", 27.2579, 33.8116, 240, "الغردقة"),
    City("Sharm El Sheikh", "Red Sea and Sinai", 27.9158, 34.3300, 80, "شرم الشيخ"),
    City("Arish", "Red Sea and Sinai", 31.1316, 33.7984, 190, "العريش"),
)
